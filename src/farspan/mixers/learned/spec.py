"""`learned` in a layer plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from farspan.mixers.base import AttentionShape
from farspan.mixers.learned.chunked import FORCED, LearnedAttention
from farspan.mixers.spec import POSITIONS, MixerSpec
from farspan.positions.rotary import Rotary


@dataclass(frozen=True)
class Learned(MixerSpec):
    """`learned(64, top=16)`: the 16 blocks of 64 tokens that pools of 32 point to, and a window."""

    kind: ClassVar[str] = "learned"
    pairs: ClassVar[bool] = False
    grows: ClassVar[bool] = True
    shares_projections: ClassVar[bool] = False
    not_sizes: ClassVar[tuple[str, ...]] = ("top",)
    block: int = 64
    top: int = 16
    window: int = 512
    pool: int = 32
    position: str = POSITIONS[0]

    def __post_init__(self) -> None:
        self.need(self.top >= FORCED, "top is at least 3: the first block, the own, the one before")
        self.need(self.window >= 1, "a window holds at least 1 token")
        fits = self.pool >= 1 and self.block >= 1 and self.block % self.pool == 0
        self.need(fits, "pool must divide block, and both hold at least 1 token")
        self.need_position(self.position)

    def shrunk(self, scale: int) -> Learned:
        """With few blocks to choose, as a picture has few."""
        return replace(super().shrunk(scale), top=min(self.top, FORCED))

    def build(self, shape: AttentionShape, rotary: Rotary) -> LearnedAttention:
        """The mixer."""
        return LearnedAttention(
            shape,
            None if self.position == "none" else rotary,
            block=self.block,
            top=self.top,
            window=self.window,
            pool=self.pool,
            temperature=rotary.temperature,
        )
