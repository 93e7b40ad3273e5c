"""`window` in a layer plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from farspan.mixers.base import AttentionShape
from farspan.mixers.spec import MixerSpec
from farspan.mixers.window.chunked import WindowAttention
from farspan.positions.rotary import Rotary


@dataclass(frozen=True)
class Window(MixerSpec):
    """`window(512, sinks=4)`: the last 512 tokens, and the first 4 of the document."""

    kind: ClassVar[str] = "window"
    window: int = 512
    sinks: int = 0

    def __post_init__(self) -> None:
        self.need(self.window >= 1, "a window holds at least 1 token")
        self.need(0 <= self.sinks < self.window, "sinks must be 0 to window - 1")

    def build(self, shape: AttentionShape, rotary: Rotary) -> WindowAttention:
        """The mixer."""
        return WindowAttention(shape, rotary, self.window, self.sinks)
