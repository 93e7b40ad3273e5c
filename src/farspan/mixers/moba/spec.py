"""`moba` in a layer plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from farspan.mixers.base import AttentionShape
from farspan.mixers.moba.chunked import MobaAttention
from farspan.mixers.spec import POSITIONS, MixerSpec
from farspan.positions.rotary import Rotary


@dataclass(frozen=True)
class Moba(MixerSpec):
    """`moba(512, top=8)`: the own block of 512 tokens, and the 7 best ones before it."""

    kind: ClassVar[str] = "moba"
    pairs: ClassVar[bool] = False
    grows: ClassVar[bool] = True
    not_sizes: ClassVar[tuple[str, ...]] = ("top",)
    block: int = 512
    top: int = 8
    position: str = POSITIONS[0]

    def __post_init__(self) -> None:
        self.need(self.block >= 1, "a block holds at least 1 token")
        self.need(self.top >= 1, "top counts the own block, so it is at least 1")
        self.need_position(self.position)

    def shrunk(self, scale: int) -> Moba:
        """With few blocks to choose, as a picture has few."""
        return replace(super().shrunk(scale), top=min(self.top, 2))

    def build(self, shape: AttentionShape, rotary: Rotary) -> MobaAttention:
        """The mixer."""
        own = None if self.position == "none" else rotary
        return MobaAttention(shape, own, self.block, self.top, rotary.temperature)
