"""ALiBi (Press et al. 2022): scores fall with distance, nothing is turned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from farspan.positions.base import ScoreMethod, ScorePart


@dataclass(frozen=True)
class Alibi(ScoreMethod):
    """Head h loses slope_h * distance; slopes are 2^(-8/H), 2^(-16/H), ...

    `factor` divides all slopes, which is position interpolation for ALiBi (Al-Khateeb et al. 2023).
    A checkpoint trained with rotary embedding reads nonsense with it until it is trained again, so
    there `replace_rotary=true` must be said.
    """

    name: ClassVar[str] = "alibi"
    when: ClassVar[str] = "The model is trained with it from scratch; its reach is short by design."
    turns: ClassVar[bool] = False
    factor: float = 1.0
    replace_rotary: bool = False

    def __post_init__(self) -> None:
        fits = math.isfinite(self.factor) and self.factor >= 1
        self.need(fits, "factor must be a number from 1 on")

    def reach(self, trained: int) -> int | None:
        """Any number."""
        return None

    def parts(self) -> tuple[ScorePart, ...]:
        """All pairs alike."""
        return (_All(),)

    def slopes(self, n_heads: int) -> list[float]:
        """Geometric over heads; other counts than powers of two take every second of twice more."""
        whole = 2 ** math.floor(math.log2(n_heads))
        slopes = _geometric(whole) + _geometric(2 * whole)[::2][: n_heads - whole]
        return [slope / self.factor for slope in slopes]


def _geometric(n_heads: int) -> list[float]:
    return [2.0 ** (-8 * (i + 1) / n_heads) for i in range(n_heads)]


class _All(ScorePart):
    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        return torch.ones_like(query - key, dtype=torch.bool)

    def query_place(self, query: Tensor) -> Tensor:
        return query

    def key_place(self, key: Tensor) -> Tensor:
        return key
