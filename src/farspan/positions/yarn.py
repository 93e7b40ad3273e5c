"""YaRN (Peng et al. 2023): interpolate slow pairs, keep fast ones, raise the magnitude."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from farspan.positions.base import RotaryMethod, inverse_powers


@dataclass(frozen=True)
class Yarn(RotaryMethod):
    """Pairs that turn more than `beta_fast` times in `trained` tokens stay, those below `beta_slow`
    are divided by `factor`, a ramp over the pairs between.

    Turned queries and keys are scaled by 0.1 ln(factor) + 1 unless `attention_factor` is given or
    `mscale` and `mscale_all_dim` (DeepSeek) say otherwise.
    """

    name: ClassVar[str] = "yarn"
    when: ClassVar[str] = "The first to try: good without training, better after a little of it."
    factor: float
    trained: int
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool = True

    def __post_init__(self) -> None:
        self.need_factor(self.factor)
        self.need_trained(self.trained)
        self.need(self.beta_fast > self.beta_slow > 0, "beta_fast must be above beta_slow, above 0")
        given = self.attention_factor
        self.need(given is None or given > 0, "attention_factor must be above 0")

    def frequencies(self, width: int, theta: float) -> tuple[Tensor, float]:
        """Between the plain ones and those divided by the factor."""
        low, high = (self._pair_turning(n, width, theta) for n in (self.beta_fast, self.beta_slow))
        if self.truncate:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, width - 1)
        if low == high:
            high += 0.001
        pair = torch.arange(width // 2, dtype=torch.float64, device="cpu")
        slow = ((pair - low) / (high - low)).clamp(0, 1)
        return inverse_powers(width, theta) * (1 - slow + slow / self.factor), self.magnitude

    @property
    def magnitude(self) -> float:
        """What turned queries and keys are scaled by."""
        if self.attention_factor is not None:
            return self.attention_factor
        if self.mscale and self.mscale_all_dim:
            return self._growth(self.mscale) / self._growth(self.mscale_all_dim)
        return self._growth(1.0)

    def _growth(self, scale: float) -> float:
        return 0.1 * scale * math.log(self.factor) + 1.0

    def _pair_turning(self, turns: float, width: int, theta: float) -> float:
        """The (fractional) index of the pair that turns so often in the trained length."""
        return width * math.log(self.trained / (turns * 2 * math.pi)) / (2 * math.log(theta))
