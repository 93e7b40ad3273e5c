"""The two rules of the paper: linear, and linear with a delta (Munkhdalai et al. 2024).

Axes as in memory.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.infini.memory import MemoryRule, Segments, memory_dtype

TINY = 1e-30
"""Keeps 0 / 0 from being NaN where features underflow; far below any sum that means something."""


def positive(x: Tensor) -> Tensor:
    """ELU(x) + 1, without the cancellation of computing it so: exp(x) below zero, 1 + x above."""
    x = x.to(memory_dtype(x.dtype))
    return torch.exp(x.clamp_max(0)) + x.clamp_min(0)


class LinearRule(MemoryRule):
    """M += sum of f(k) v', z += sum of f(k); read f(q) M / (f(q) z), with f = ELU + 1."""

    has_total = True

    def key_features(self, k: Tensor) -> Tensor:
        """f(k)."""
        return positive(k)

    def maps(
        self, segments: Segments, features: Tensor, total_bngd: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """The identity, and the sum of f(k) v'."""
        return None, segments.multiplied(outer_sum(features, segments.v.to(features.dtype)))

    def write_flops(self, segment: int) -> int:
        """Each key with its value."""
        return 2 * segment * self.shape.head_dim**2

    def combine(self, found: Tensor) -> Tensor:
        """Divides f(q) M by f(q) z."""
        return found[..., :-1] / found[..., -1:].clamp_min(TINY)


class DeltaRule(LinearRule):
    """As linear, but what the memory already says of a key is taken off its value first.

    M += sum of f(k) (v - f(k) M / (f(k) z))', with M and z from before the segment, so
    M' = (I - sum of f(k) f(k)' / (f(k) z)) M + sum of f(k) v'.
    """

    def maps(
        self, segments: Segments, features: Tensor, total_bngd: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """The maps above; before the first segment nothing is known, so nothing is taken off."""
        weight = (features * total_bngd.unsqueeze(2)).sum(-1, keepdim=True)
        known = features / weight.clamp_min(TINY) * (weight > TINY)
        eye = torch.eye(features.shape[-1], device=features.device, dtype=features.dtype)
        taken, added = outer_sum(known, features), outer_sum(features, segments.v.to(known.dtype))
        return eye - segments.multiplied(taken), segments.multiplied(added)

    def write_flops(self, segment: int) -> int:
        """Each key with its value and with itself, and the map of what was there."""
        return 2 * super().write_flops(segment) + 2 * self.shape.head_dim**3


def outer_sum(left: Tensor, right: Tensor) -> Tensor:
    """Sum over a segment's tokens of left right', `[B, N, G, D, E]` from `[B, N, S, G, *]`."""
    return torch.matmul(left.permute(0, 1, 3, 4, 2), right.transpose(2, 3))
