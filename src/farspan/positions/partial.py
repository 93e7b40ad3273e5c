"""Rotary embedding of some features alone: the rest compare without positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from farspan.positions.base import RotaryMethod, inverse_powers


@dataclass(frozen=True)
class Plain(RotaryMethod):
    """Rotary embedding as Su et al. (2021) have it.

    `partial_rotary_factor` below 1 turns the first so many features of a head and passes the rest,
    as in GPT-NeoX and Phi; `Rotary` narrows the width.
    """

    name: ClassVar[str] = "default"
    when: ClassVar[str] = "The text is no longer than what the checkpoint was trained at."
    partial_rotary_factor: float = 1.0

    def __post_init__(self) -> None:
        share = self.partial_rotary_factor
        self.need(0 < share <= 1, "partial_rotary_factor must be above 0 and at most 1")

    def frequencies(self, width: int, theta: float) -> tuple[Tensor, float]:
        """theta^(-2i / width)."""
        return inverse_powers(width, theta), 1.0


@dataclass(frozen=True)
class Proportional(RotaryMethod):
    """The fastest share of the pairs turns, the slow ones stand still (Barbero et al. 2024).

    Frequencies are those of the whole head, so what still turns is turned as it was trained.
    """

    name: ClassVar[str] = "proportional"
    when: ClassVar[str] = "The checkpoint was made with it (Gemma), or will be trained with it."
    partial_rotary_factor: float = 1.0
    factor: float = 1.0

    def __post_init__(self) -> None:
        self.need_factor(self.factor)
        share = self.partial_rotary_factor
        self.need(0 <= share <= 1, "partial_rotary_factor must be 0 to 1")

    def frequencies(self, width: int, theta: float) -> tuple[Tensor, float]:
        """Plain ones divided by the factor, then zeros."""
        turning = int(self.partial_rotary_factor * width // 2)
        found = inverse_powers(width, theta) / self.factor
        return torch.where(torch.arange(width // 2, device="cpu") < turning, found, 0.0), 1.0
