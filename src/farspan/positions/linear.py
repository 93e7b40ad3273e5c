"""Position interpolation (Chen et al. 2023): all positions divided by one factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from farspan.positions.base import RotaryMethod, inverse_powers


@dataclass(frozen=True)
class Linear(RotaryMethod):
    """Every frequency becomes `theta_i / factor`."""

    name: ClassVar[str] = "linear"
    when: ClassVar[str] = "The model will be fine-tuned afterwards, by a small factor (2 to 8)."
    factor: float

    def __post_init__(self) -> None:
        self.need_factor(self.factor)

    def frequencies(self, width: int, theta: float) -> tuple[Tensor, float]:
        """All pairs slower alike."""
        return inverse_powers(width, theta) / self.factor, 1.0
