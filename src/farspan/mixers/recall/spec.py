"""`recall` in a layer plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from farspan.mixers.base import AttentionShape
from farspan.mixers.recall.chunked import RecallAttention
from farspan.mixers.spec import MixerSpec
from farspan.positions.rotary import Rotary


@dataclass(frozen=True)
class Recall(MixerSpec):
    """`recall(512)`: everything is stored; read tokens see the last 512, asked tokens all."""

    kind: ClassVar[str] = "recall"
    shares_projections: ClassVar[bool] = False
    stores: ClassVar[bool] = True
    grows: ClassVar[bool] = True
    window: int = 512

    def __post_init__(self) -> None:
        self.need(self.window >= 1, "a window holds at least 1 token")

    def build(self, shape: AttentionShape, rotary: Rotary) -> RecallAttention:
        """The mixer, which has no positions."""
        return RecallAttention(shape, self.window)
