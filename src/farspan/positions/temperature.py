"""Attention temperature by log length: as sharp a softmax over many keys as over few."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from farspan.positions.base import PositionMethod


@dataclass(frozen=True)
class LogLength(PositionMethod):
    """Queries that may see n keys are multiplied by max(1, ln n / ln trained) (Su 2021, Qwen).

    It goes with any other method, `yarn(32)+log_length`.
    """

    name: ClassVar[str] = "log_length"
    when: ClassVar[str] = "Beside another method, where attention gets diffuse over long texts."
    trained: int

    def __post_init__(self) -> None:
        self.need(self.trained >= 2, "trained must be 2 tokens or more")

    def sharpen(self, q_bthd: Tensor, position_bt: Tensor, window: int | None = None) -> Tensor:
        """Scaled queries; a `window` bounds how many keys a query may see."""
        seen = position_bt.double() + 1
        if window is not None:
            seen = seen.clamp_max(window)
        scale = (torch.log(seen) / math.log(self.trained)).clamp_min(1.0)
        return q_bthd * scale.to(q_bthd.dtype)[:, :, None, None]
