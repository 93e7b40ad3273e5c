"""Self-Extend (Jin et al. 2024): exact positions nearby, grouped positions beyond."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from farspan.errors import RequestError
from farspan.positions.base import ScoreMethod, ScorePart


@dataclass(frozen=True)
class SelfExtend(ScoreMethod):
    """Distances up to `window` are exact, those beyond are counted in groups of `group` tokens.

    The farthest distance becomes about (n - window) / group + window, which must stay within the
    trained length.
    """

    name: ClassVar[str] = "self_extend"
    when: ClassVar[str] = "No training at all, and nearby text must be read exactly as before."
    group: int
    window: int = 1024

    def __post_init__(self) -> None:
        self.need(self.group >= 1, "group must be 1 token or more")
        self.need(self.window >= 1, "window must be 1 token or more")

    @classmethod
    def from_factor(cls, factor: float, trained: int) -> dict[str, Any]:
        """A neighbourhood of a quarter of the trained length, and the group that it needs."""
        window = max(trained // 4, 1)
        if not (math.isfinite(factor) and factor >= 1) or trained - window < 1:
            raise RequestError(f"position self_extend: factor {factor:g} must be from 1 on")
        return {
            "group": math.ceil((factor * trained - window) / (trained - window)),
            "window": window,
        }

    def reach(self, trained: int) -> int | None:
        """Those whose farthest distance is a trained one."""
        return max(trained, (trained - self.window) * self.group + self.window)

    def parts(self) -> tuple[ScorePart, ...]:
        """Neighbours, and the rest."""
        return _Near(self.window), _Far(self.window, self.group)


@dataclass(frozen=True)
class _Near(ScorePart):
    window: int

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        return query - key < self.window

    def query_place(self, query: Tensor) -> Tensor:
        return query

    def key_place(self, key: Tensor) -> Tensor:
        return key


@dataclass(frozen=True)
class _Far(ScorePart):
    window: int
    group: int

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        return query - key >= self.window

    def query_place(self, query: Tensor) -> Tensor:
        """Shifted so that distances go on where the neighbourhood ends."""
        return query // self.group + self.window - self.window // self.group

    def key_place(self, key: Tensor) -> Tensor:
        return key // self.group
