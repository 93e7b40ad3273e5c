"""`full` in a layer plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from farspan.mixers.base import AttentionShape
from farspan.mixers.full.chunked import FullAttention
from farspan.mixers.spec import POSITIONS, MixerSpec
from farspan.positions.rotary import Rotary


@dataclass(frozen=True)
class Full(MixerSpec):
    """`full`: causal attention over the whole context, with `position=none` without positions."""

    kind: ClassVar[str] = "full"
    grows: ClassVar[bool] = True
    position: str = POSITIONS[0]

    def __post_init__(self) -> None:
        self.need_position(self.position)

    def build(self, shape: AttentionShape, rotary: Rotary) -> FullAttention:
        """The mixer."""
        own = None if self.position == "none" else rotary
        return FullAttention(shape, own, rotary.temperature)
