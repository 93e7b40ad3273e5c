"""Llama 3.1's scaling: long wavelengths divided by a factor, short ones kept, a ramp between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from farspan.positions.base import RotaryMethod, inverse_powers


@dataclass(frozen=True)
class Llama3(RotaryMethod):
    """Pairs that turn fewer than `low_freq_factor` times in `trained` tokens are divided by
    `factor`, those above `high_freq_factor` stay.
    """

    name: ClassVar[str] = "llama3"
    when: ClassVar[str] = "The checkpoint was made with it (Llama 3.1 to 3.3)."
    factor: float
    trained: int
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0

    def __post_init__(self) -> None:
        self.need_factor(self.factor)
        self.need_trained(self.trained)
        ordered = self.high_freq_factor > self.low_freq_factor > 0
        self.need(ordered, "high_freq_factor must be above low_freq_factor, above 0")

    def frequencies(self, width: int, theta: float) -> tuple[Tensor, float]:
        """Between the plain ones and those divided by the factor."""
        base = inverse_powers(width, theta)
        low, high = self.low_freq_factor, self.high_freq_factor
        turns = self.trained * base / (2 * math.pi)
        keep = ((turns - low) / (high - low)).clamp(0, 1)
        return base * (keep + (1 - keep) / self.factor), 1.0
