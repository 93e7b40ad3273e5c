"""`window` in a layer plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from farspan.mixers.base import AttentionShape
from farspan.mixers.spec import POSITIONS, MixerSpec
from farspan.mixers.window.chunked import WindowAttention
from farspan.positions.rotary import Rotary


@dataclass(frozen=True)
class Window(MixerSpec):
    """`window(512, sinks=4)`: the last 512 tokens, and the first 4 of the document.

    With `position=none` the layer has no positions.
    """

    kind: ClassVar[str] = "window"
    window: int = 512
    sinks: int = 0
    position: str = POSITIONS[0]

    def __post_init__(self) -> None:
        self.need(self.window >= 1, "a window holds at least 1 token")
        self.need(0 <= self.sinks < self.window, "sinks must be 0 to window - 1")
        self.need_position(self.position)

    def build(self, shape: AttentionShape, rotary: Rotary) -> WindowAttention:
        """The mixer."""
        own = None if self.position == "none" else rotary
        return WindowAttention(shape, own, self.window, self.sinks, rotary.temperature)
