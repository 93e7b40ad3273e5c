"""An Infini layer's forward and backward pass beside full attention of the same shape, on a GPU.

python benchmarks/infini_speed.py
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.full import Full
from farspan.mixers.infini import RULES, Infini
from farspan.mixers.window import Window
from farspan.positions.rotary import Rotary

LENGTH = 16_384


def main() -> None:
    """Prints one JSON object a layer: milliseconds of the core alone and of the whole mixer."""
    print(json.dumps({"device": torch.cuda.get_device_name(), "torch": torch.__version__}))
    torch.set_float32_matmul_precision("high")
    specs = [Full(), Window(2048), *(Infini(2048, rule=rule) for rule in RULES)]
    for head_dim, n_heads in ((64, 16), (128, 16)):
        shape = AttentionShape(n_heads * head_dim, n_heads, n_heads, head_dim)
        full: list[float] = []
        for spec in specs:
            mixer = spec.build(shape, Rotary(head_dim)).to("cuda", torch.bfloat16)
            times = [_milliseconds(step) for step in (_core(mixer), _whole(mixer))]
            full = full or times
            row = {"mixer": str(spec), "head_dim": head_dim, "heads": n_heads, "length": LENGTH}
            row |= {"core_ms": times[0], "layer_ms": times[1]}
            row |= {"core_speedup": full[0] / times[0], "layer_speedup": full[1] / times[1]}
            print(json.dumps(row), flush=True)


def _core(mixer: AttentionMixer) -> Callable[[], None]:
    """Attention from projected queries, keys and values."""
    shape, tokens = mixer.shape, Tokens.plain(1, LENGTH, device="cuda")
    x = torch.randn(1, LENGTH, shape.d_model, device="cuda", dtype=torch.bfloat16)
    with torch.no_grad():
        parts = mixer.project(x, tokens)
    inputs = [part.detach().clone().requires_grad_() for part in parts]
    state = mixer.init_state(1, device="cuda", dtype=torch.bfloat16)

    def step() -> None:
        y, _ = mixer.attend(*inputs, tokens, state)
        _backward(y, inputs)

    return step


def _whole(mixer: AttentionMixer) -> Callable[[], None]:
    """The layer with its projections and rotation."""
    tokens = Tokens.plain(1, LENGTH, device="cuda")
    x = torch.randn(1, LENGTH, mixer.shape.d_model, device="cuda", dtype=torch.bfloat16)
    x.requires_grad_()
    state = mixer.init_state(1, device="cuda", dtype=torch.bfloat16)

    def step() -> None:
        y, _ = mixer(x, tokens, state)
        _backward(y, [x, *mixer.parameters()])

    return step


def _backward(y: Tensor, inputs: list[Tensor] | list[nn.Parameter]) -> None:
    torch.autograd.grad(y, inputs, torch.ones_like(y), allow_unused=True)


def _milliseconds(step: Callable[[], None], repeats: int = 30) -> float:
    """The median of the repeats, each timed alone."""
    for _ in range(5):
        step()
    found = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        began = time.perf_counter()
        step()
        torch.cuda.synchronize()
        found.append(1000 * (time.perf_counter() - began))
    return sorted(found)[repeats // 2]


if __name__ == "__main__":
    main()
