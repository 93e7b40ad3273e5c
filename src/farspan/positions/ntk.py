"""NTK-aware scaling: a larger base instead of slower turns everywhere (bloc97, emozilla 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from farspan.errors import RequestError
from farspan.positions.base import RotaryMethod, inverse_powers


@dataclass(frozen=True)
class Ntk(RotaryMethod):
    """theta becomes theta * factor^(d / (d - 2)): the slowest pair slower by the factor exactly."""

    name: ClassVar[str] = "ntk"
    when: ClassVar[str] = "No training, moderate stretching (2 to 4), nearby order kept sharp."
    factor: float

    def __post_init__(self) -> None:
        self.need_factor(self.factor)

    def frequencies(self, width: int, theta: float) -> tuple[Tensor, float]:
        """Fast pairs nearly as before, slow ones slower."""
        return inverse_powers(width, _raised(theta, self.factor, width)), 1.0


@dataclass(frozen=True)
class DynamicNtk(RotaryMethod):
    """NTK with the factor that fits a length: factor * tokens / trained - (factor - 1).

    The length is given beforehand as `tokens` (0: factor * trained), since a key turned for one
    length does not fit a query turned for another. Up to `trained` tokens nothing changes.
    """

    name: ClassVar[str] = "dynamic"
    when: ClassVar[str] = "As ntk, where the longest text is known and should cost no more."
    factor: float
    trained: int
    tokens: int = 0

    def __post_init__(self) -> None:
        self.need_factor(self.factor)
        self.need_trained(self.trained)
        self.need(self.tokens >= 0, "tokens must be the longest text, or 0 for factor * trained")

    def frequencies(self, width: int, theta: float) -> tuple[Tensor, float]:
        """Those of a base raised for the length."""
        tokens = max(self.tokens or self.factor * self.trained, self.trained)
        stretch = self.factor * tokens / self.trained - (self.factor - 1)
        return inverse_powers(width, _raised(theta, stretch, width)), 1.0


def _raised(theta: float, stretch: float, width: int) -> float:
    """The base whose slowest pair turns `stretch` times slower; a single pair has no slowest."""
    if width <= 2:
        raise RequestError(f"ntk scaling needs 4 rotated features a head or more, not {width}")
    return theta * stretch ** (width / (width - 2))
