"""LongRoPE (Ding et al. 2024): a divisor of its own for every pair, found by search."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from farspan.positions.base import RotaryMethod, inverse_powers


@dataclass(frozen=True)
class LongRope(RotaryMethod):
    """Pair i turns `theta_i / divisor_i`, with `long_factor` beyond the trained length.

    The length is given beforehand as `tokens` (0: factor * trained), since a key turned by one list
    does not fit a query turned by the other. Turned queries and keys are scaled by
    sqrt(1 + ln factor / ln trained) unless `attention_factor` is given.
    """

    name: ClassVar[str] = "longrope"
    when: ClassVar[str] = "The checkpoint brings its lists of divisors, or you searched for them."
    factor: float
    trained: int
    short_factor: tuple[float, ...]
    long_factor: tuple[float, ...]
    attention_factor: float | None = None
    tokens: int = 0

    def __post_init__(self) -> None:
        self.need_factor(self.factor)
        self.need_trained(self.trained)
        self.need(self.tokens >= 0, "tokens must be the longest text, or 0 for factor * trained")
        alike = len(self.short_factor) == len(self.long_factor)
        positive = all(x > 0 for x in (*self.short_factor, *self.long_factor))
        self.need(alike and positive, "short_factor and long_factor are as many divisors above 0")

    def frequencies(self, width: int, theta: float) -> tuple[Tensor, float]:
        """By the list that fits the length."""
        beyond = (self.tokens or self.factor * self.trained) > self.trained
        divisors = self.long_factor if beyond else self.short_factor
        self.need(len(divisors) == width // 2, f"each list holds {width // 2} divisors, one a pair")
        divisor = torch.tensor(divisors, dtype=torch.float64, device="cpu")
        return inverse_powers(width, theta) / divisor, self.magnitude

    @property
    def magnitude(self) -> float:
        """What turned queries and keys are scaled by."""
        if self.attention_factor is not None:
            return self.attention_factor
        return math.sqrt(1 + math.log(self.factor) / math.log(self.trained))
