"""Dual chunk attention (An et al. 2024): positions within chunks, and bounded ones across them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from farspan.positions.base import ScoreMethod, ScorePart


@dataclass(frozen=True)
class DualChunk(ScoreMethod):
    """Chunks of `chunk` tokens (0: three quarters of `trained`), no distance above trained - 1.

    Within a chunk distances are exact; to the chunk before, exact up to trained - chunk tokens; to
    all earlier ones the query stands at trained - 1. Any length fits.
    """

    name: ClassVar[str] = "dual_chunk"
    when: ClassVar[str] = "No training at all, any length, one setting for all lengths."
    trained: int
    chunk: int = 0

    def __post_init__(self) -> None:
        self.need(self.trained >= 2, "trained must be 2 tokens or more")
        self.need(0 <= self.chunk < self.trained, f"chunk must be below {self.trained} tokens")

    def reach(self, trained: int) -> int | None:
        """Any number."""
        return None

    @property
    def size(self) -> int:
        """Tokens a chunk."""
        return self.chunk or max(self.trained * 3 // 4, 1)

    def parts(self) -> tuple[ScorePart, ...]:
        """The query's own chunk, the one before, and all before that."""
        last = self.trained - 1
        return _Chunks(self.size, last, 0), _Chunks(self.size, last, 1), _Chunks(self.size, last, 2)


@dataclass(frozen=True)
class _Chunks(ScorePart):
    """Pairs that stand `apart` chunks from each other, 2 meaning 2 or more."""

    size: int
    last: int
    apart: int

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        apart = query // self.size - key // self.size
        return apart >= 2 if self.apart == 2 else apart == self.apart

    def query_place(self, query: Tensor) -> Tensor:
        inside = query % self.size
        if self.apart == 0:
            return inside
        if self.apart == 1:
            return (inside + self.size).clamp_max(self.last)
        return inside.new_full(inside.shape, self.last)

    def key_place(self, key: Tensor) -> Tensor:
        return key % self.size
