"""flash-linear-attention's kernels beside the chunked torch form on a GPU: equal, and how fast.

python benchmarks/linear_kernels.py --length 16384

For each linear mixer, bfloat16 features go through both forms; the errors are relative to the torch
form in float64: of outputs, of the last memory and of the gradients of features and weights. Exits
with 1 if an output, memory or gradient is off by more than 3 %.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from unittest import mock

import torch

from farspan.mixers.base import AttentionShape, Tokens
from farspan.mixers.linear import LinearMixer, kernels
from farspan.mixers.registry import MIXERS
from farspan.positions.rotary import Rotary

KINDS = ("linear", "retention", "gla", "delta", "gated_delta")
SHAPE = AttentionShape(d_model=576, n_heads=9, n_kv_heads=3, head_dim=64)
ALLOWED = 0.03


def results(mixer: LinearMixer, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Outputs, memory and gradients of one pass in two chunks."""
    x = x.detach().requires_grad_()
    state, outputs = mixer.init_state(x.shape[0], device=x.device, dtype=x.dtype), []
    half = x.shape[1] // 2
    for start, part in ((0, x[:, :half]), (half, x[:, half:])):
        tokens = Tokens.plain(*part.shape[:2], start=start, device=x.device)
        y, state = mixer(part, tokens, state)
        outputs.append(y)
    y = torch.cat(outputs, dim=1)
    weights = dict(mixer.named_parameters())
    loss = (y.double() * probe(y)).sum() + (state.mem_bgde.double() * probe(state.mem_bgde)).sum()
    gradients = torch.autograd.grad(loss, [x, *weights.values()])
    named = {f"gradient of {n}": g for n, g in zip(["x", *weights], gradients, strict=True)}
    return {"output": y.detach(), "memory": state.mem_bgde.detach(), **named}


def probe(x: torch.Tensor) -> torch.Tensor:
    """The same random direction for every form."""
    generator = torch.Generator().manual_seed(2)
    return torch.randn(x.shape, dtype=torch.float64, generator=generator).to(x.device)


def milliseconds(mixer: LinearMixer, x: torch.Tensor) -> float:
    """Forward and backward, best of five."""
    best = float("inf")
    for _ in range(5):
        torch.cuda.synchronize()
        start = time.perf_counter()
        results(mixer, x)
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return best * 1000


def compare(kind: str, x: torch.Tensor) -> bool:
    """Prints one mixer's errors and times; whether the kernels are right."""
    torch.manual_seed(0)
    mixer = MIXERS[kind]().build(SHAPE, Rotary(SHAPE.head_dim)).to(x.device, x.dtype)
    assert isinstance(mixer, LinearMixer)
    with torch.no_grad():
        for weight in mixer.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    truth = results(copy.deepcopy(mixer).double(), x.double())
    fast, fast_time = results(mixer, x), milliseconds(mixer, x)
    with (
        mock.patch.object(kernels, "kernel_dtype", lambda *_: None),
        mock.patch("farspan.mixers.linear.mixer.kernel_dtype", lambda *_: None),
    ):
        plain, plain_time = results(mixer, x), milliseconds(mixer, x)
    print(f"{kind}: kernels {fast_time:.2f} ms, torch form {plain_time:.2f} ms, forward + backward")
    right = True
    for name, wanted in truth.items():
        errors = [
            ((found[name].double() - wanted).norm() / wanted.norm().clamp_min(1e-30)).item()
            for found in (fast, plain)
        ]
        right &= errors[0] < max(ALLOWED, 2 * errors[1])
        print(f"  {name}: error {errors[0]:.1e} by kernels, {errors[1]:.1e} by the torch form")
    return right


def main() -> None:
    """Compares all mixers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=16384)
    parser.add_argument("--batch", type=int, default=1)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("these kernels need an NVIDIA GPU")
    if not kernels.load_kernels():
        sys.exit("flash-linear-attention is not installed: pip install 'farspan[gpu]'")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {args.length} tokens")
    torch.manual_seed(1)
    x = torch.randn(args.batch, args.length, SHAPE.d_model, device="cuda", dtype=torch.bfloat16)
    wrong = [kind for kind in KINDS if not compare(kind, x)]
    if wrong:
        sys.exit(f"kernels disagree for {', '.join(wrong)}")
    print("kernels agree")


if __name__ == "__main__":
    main()
