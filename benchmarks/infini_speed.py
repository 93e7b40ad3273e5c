"""An Infini layer's forward and backward pass beside full attention of the same shape, on a GPU.

python benchmarks/infini_speed.py --batch 4 --seconds 120
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import torch
from torch import Tensor

from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.full import Full
from farspan.mixers.infini import Infini, InfiniAttention
from farspan.mixers.spec import MixerSpec
from farspan.mixers.window import Window
from farspan.positions.rotary import Rotary

HEADS = 16


def main() -> None:
    """Prints one JSON object a layer: milliseconds of the whole mixer, projections and all.

    Both sides are compiled, and full attention is the flash kernel of torch in bfloat16.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=16_384)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--segment", type=int, default=512)
    parser.add_argument("--rules", default="linear,delta,gated_delta")
    parser.add_argument("--head-dims", default="64,128")
    parser.add_argument("--seconds", type=float, default=300)
    options = parser.parse_args()
    until = time.monotonic() + options.seconds
    torch.set_float32_matmul_precision("high")
    print(json.dumps({"device": torch.cuda.get_device_name(), "torch": torch.__version__}))
    memories = [Infini(options.segment, rule=rule) for rule in options.rules.split(",")]
    for head_dim in (int(x) for x in options.head_dims.split(",")):
        full = 0.0
        for spec in (Full(), *memories, Window(options.segment)):
            if time.monotonic() > until:
                return
            ms = _milliseconds(_layer(spec, head_dim, options.batch, options.length))
            full = full or ms
            row = {"mixer": str(spec), "head_dim": head_dim, "heads": HEADS}
            row |= {"batch": options.batch, "length": options.length}
            row |= {"ms": round(ms, 3), "speedup": round(full / ms, 2)}
            print(json.dumps(row), flush=True)


def _layer(spec: MixerSpec, head_dim: int, batch: int, length: int) -> Callable[[], None]:
    """One forward and backward pass, compiled."""
    shape = AttentionShape(HEADS * head_dim, HEADS, HEADS, head_dim)
    mixer: AttentionMixer = spec.build(shape, Rotary(head_dim)).to("cuda", torch.bfloat16)
    if isinstance(mixer, InfiniAttention):
        mixer.recompute = False
    tokens = Tokens.plain(batch, length, device="cuda")
    x = torch.randn(batch, length, shape.d_model, device="cuda", dtype=torch.bfloat16)
    x.requires_grad_()
    state = mixer.init_state(batch, device="cuda", dtype=torch.bfloat16)

    @torch.compile
    def forward(x: Tensor) -> Tensor:
        return mixer(x, tokens, state)[0]

    inputs = [x, *mixer.parameters()]

    def step() -> None:
        y = forward(x)
        torch.autograd.grad(y, inputs, torch.ones_like(y), allow_unused=True)

    return step


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
