"""Which earlier tokens a mixer's output depends on, found by trying, not by drawing.

The mixer of a plan is built small, its sizes divided by one power of two, and each output is
differentiated by each input.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from farspan.mixers.base import AttentionShape, Tokens
from farspan.mixers.spec import MixerSpec
from farspan.positions.rotary import Rotary

CELLS = 32
LARGEST = 8  # cells that the largest size of a mixer takes
TRIES = 6  # random weights that are averaged
SHADES = " ░▒▓█"
STRENGTHS = (0.0, 0.003, 0.03, 0.2)
"""Shares of a row's mean from which on the shades begin."""


@dataclass(frozen=True)
class Mask:
    """`strength` `[CELLS, CELLS]`: how much row t's output hangs on column s, the row's mean 1.

    A cell is `scale` tokens. From row `asked_from` on tokens are asked, before it read.
    """

    strength: Tensor
    scale: int
    asked_from: int

    def lines(self) -> list[str]:
        """`CELLS / 2` lines for a terminal, each of two rows, as characters are tall and narrow."""
        rows = self.strength.unflatten(0, (-1, 2)).amax(1).tolist()
        return ["".join(_shade(cell) for cell in row) for row in rows]


def probe_mask(spec: MixerSpec) -> Mask:
    """The mask of one layer; mixers with a store are asked in the last quarter."""
    small, scale = _shrunk(spec)
    asked_from = CELLS * 3 // 4 if spec.stores else CELLS
    total = torch.zeros(CELLS, CELLS, dtype=torch.float64)
    for seed in range(TRIES):
        total += _jacobian(small, seed, asked_from)
    mean = total.sum(1, keepdim=True) / (total > 0).sum(1, keepdim=True).clamp_min(1)
    return Mask(total / mean.clamp_min(1e-300), scale, asked_from)


def _shrunk(spec: MixerSpec) -> tuple[MixerSpec, int]:
    """The same mixer with its sizes divided by a power of two, and the power."""
    scale = 1
    while max(spec.sizes(), default=0) > LARGEST * scale:
        scale *= 2
    return spec.shrunk(scale), scale


def _jacobian(spec: MixerSpec, seed: int, asked_from: int) -> Tensor:
    """Length of the derivative of each output, along a random direction, by each input."""
    heads = spec.least_kv_heads
    shape = AttentionShape(16, n_heads=heads, n_kv_heads=heads, head_dim=8)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        mixer = spec.build(shape, Rotary(shape.head_dim)).double()
        with torch.no_grad():  # what starts closed is shown as training would open it
            for parameter in mixer.parameters():
                if not parameter.any():
                    parameter.normal_()
        x = torch.randn(1, CELLS, shape.d_model, dtype=torch.float64, requires_grad=True)
        probe = torch.randn(shape.d_model, dtype=torch.float64)
        tokens = Tokens.plain(1, CELLS, first_asked=asked_from)
        y = mixer(x, tokens, mixer.init_state(1, dtype=torch.float64))[0] @ probe
        rows = [torch.autograd.grad(y[0, t], x, retain_graph=True)[0] for t in range(CELLS)]
    return torch.stack([row[0].norm(dim=-1) for row in rows])


def _shade(strength: float) -> str:
    return SHADES[sum(strength > least for least in STRENGTHS)]
