"""`infini` in a layer plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from farspan.mixers.base import AttentionShape
from farspan.mixers.infini.chunked import InfiniAttention
from farspan.mixers.infini.gated_delta import GatedDeltaRule
from farspan.mixers.infini.gated_mean import GatedMeanRule
from farspan.mixers.infini.kernelised import DeltaRule, LinearRule
from farspan.mixers.infini.memory import MemoryRule
from farspan.mixers.spec import MixerSpec
from farspan.positions.rotary import Rotary

RULES: dict[str, type[MemoryRule]] = {
    "linear": LinearRule,
    "delta": DeltaRule,
    "gated_delta": GatedDeltaRule,
    "gated_mean": GatedMeanRule,
}


@dataclass(frozen=True)
class Infini(MixerSpec):
    """`infini(512, rule=delta)`: segments of 512 tokens, and a memory of those before.

    `window` 0 is local attention within the segment, otherwise a sliding window of that size.
    """

    kind: ClassVar[str] = "infini"
    shares_projections: ClassVar[bool] = False
    pairs: ClassVar[bool] = False
    segment: int = 512
    rule: str = "delta"
    window: int = 0

    def __post_init__(self) -> None:
        self.need(self.segment >= 1, "a segment holds at least 1 token")
        self.need(self.rule in RULES, f"rule must be one of {', '.join(RULES)}")

    def build(self, shape: AttentionShape, rotary: Rotary) -> InfiniAttention:
        """The mixer, its memory without positions."""
        return InfiniAttention(
            shape, rotary, self.segment, RULES[self.rule](shape), window=self.window
        )
