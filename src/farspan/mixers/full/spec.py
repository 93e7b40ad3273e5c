"""`full` in a layer plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from farspan.mixers.base import AttentionShape
from farspan.mixers.full.chunked import FullAttention
from farspan.mixers.spec import MixerSpec
from farspan.positions.rotary import Rotary


@dataclass(frozen=True)
class Full(MixerSpec):
    """`full`: causal attention over the whole context."""

    kind: ClassVar[str] = "full"
    grows: ClassVar[bool] = True

    def build(self, shape: AttentionShape, rotary: Rotary) -> FullAttention:
        """The mixer."""
        return FullAttention(shape, rotary)
