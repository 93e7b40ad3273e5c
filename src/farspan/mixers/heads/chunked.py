"""One layer whose key-value heads, each with its query heads, go to different mixers.

Axes: b row, t token of the chunk, h head, d feature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from farspan.errors import RequestError
from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens

Make = Callable[[AttentionShape], AttentionMixer]
"""Builds the mixer of some heads from their share of the layer's shape."""


@dataclass(frozen=True)
class HeadsState:
    """The states of the parts, first heads first."""

    parts: tuple[Any, ...]


class HeadsAttention(AttentionMixer):
    """Groups of heads in order, each with a mixer of its own; projections are those of the layer.

    `parts` tells of each mixer how many key-value heads it has, and how it is built.
    """

    def __init__(self, shape: AttentionShape, parts: Sequence[tuple[int, Make]]) -> None:
        super().__init__(shape, None)
        group = shape.n_heads // shape.n_kv_heads
        self.sizes = [n for n, _ in parts]
        assert sum(self.sizes) == shape.n_kv_heads and min(self.sizes) > 0
        self.parts = nn.ModuleList(
            make(replace(shape, n_heads=n * group, n_kv_heads=n, qk_norm=False))
            for n, make in parts
        )
        for part in self.mixers:
            del part.qkv, part.out  # the layer projects for all of them

    @property
    def mixers(self) -> list[AttentionMixer]:
        """The parts."""
        return [cast(AttentionMixer, part) for part in self.parts]

    def init_added(self) -> None:
        """Those of the parts."""
        for part in self.mixers:
            part.init_added()

    def init_state(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> HeadsState:
        """Each part's state before the first token."""
        return HeadsState(
            tuple(part.init_state(batch, device=device, dtype=dtype) for part in self.mixers)
        )

    def attend(
        self, q_bthd: Tensor, k_bthd: Tensor, v_bthd: Tensor, tokens: Tokens, state: HeadsState
    ) -> tuple[Tensor, HeadsState]:
        """Each part attends with its heads, which it turns by its own positions."""
        group = self.shape.n_heads // self.shape.n_kv_heads
        queries = q_bthd.split([n * group for n in self.sizes], dim=2)
        keys, values = (x.split(self.sizes, dim=2) for x in (k_bthd, v_bthd))
        outputs, states = [], []
        for part, q, k, v, own in zip(self.mixers, queries, keys, values, state.parts, strict=True):
            y, after = part.attend(*part.position(q, k, tokens), v, tokens, own)
            outputs.append(y)
            states.append(after)
        return torch.cat(outputs, dim=2), HeadsState(tuple(states))

    def merge(self, first: HeadsState, second: HeadsState) -> HeadsState:
        """Part by part."""
        pairs = zip(self.mixers, first.parts, second.parts, strict=True)
        return HeadsState(tuple(part.merge(one, two) for part, one, two in pairs))

    def flops(self, n_tokens: int) -> int:
        """Of all parts."""
        return sum(part.flops(n_tokens) for part in self.mixers)

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """Of all parts."""
        return sum(part.state_bytes(n_tokens, dtype) for part in self.mixers)


def shares(n_kv_heads: int, n_parts: int, what: str) -> list[int]:
    """Key-value heads of each part, the first parts one more where they do not divide.

    `RequestError`, which begins with `what`, for more parts than heads.
    """
    if n_parts > n_kv_heads:
        raise RequestError(
            f"{what} names {n_parts} parts; this model has {n_kv_heads} key-value heads, of which"
            " each part needs one"
        )
    return [n_kv_heads // n_parts + (i < n_kv_heads % n_parts) for i in range(n_parts)]
