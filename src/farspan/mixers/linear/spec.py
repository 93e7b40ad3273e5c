"""The linear mixers in a layer plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from farspan.mixers.base import AttentionShape
from farspan.mixers.linear.kinds import DeltaRule, GatedLinear, KernelAttention, Retention
from farspan.mixers.linear.mixer import LinearMixer
from farspan.mixers.spec import MixerSpec
from farspan.positions.rotary import Rotary


@dataclass(frozen=True)
class _LinearSpec(MixerSpec):
    """`chunk` tokens are computed at once; it changes speed, not results."""

    shares_projections: ClassVar[bool] = False
    not_sizes: ClassVar[tuple[str, ...]] = ("chunk",)
    chunk: int = 64

    def __post_init__(self) -> None:
        power = self.chunk > 0 and self.chunk & (self.chunk - 1) == 0
        self.need(power and self.chunk <= 256, "a chunk is a power of two from 1 to 256")


@dataclass(frozen=True)
class Linear(_LinearSpec):
    """`linear`: kernelised attention, normalised by the sum of keys."""

    kind: ClassVar[str] = "linear"

    def build(self, shape: AttentionShape, rotary: Rotary) -> LinearMixer:
        """The mixer, which has no positions."""
        return KernelAttention(shape, self.chunk)


@dataclass(frozen=True)
class Retain(_LinearSpec):
    """`retention`: a fixed decay a head."""

    kind: ClassVar[str] = "retention"
    pairs: ClassVar[bool] = False

    def build(self, shape: AttentionShape, rotary: Rotary) -> LinearMixer:
        """The mixer, with rotary positions."""
        return Retention(shape, rotary, self.chunk)


@dataclass(frozen=True)
class Gla(_LinearSpec):
    """`gla(64)`: gated linear attention, a decay for every key feature."""

    kind: ClassVar[str] = "gla"

    def build(self, shape: AttentionShape, rotary: Rotary) -> LinearMixer:
        """The mixer, which has no positions."""
        return GatedLinear(shape, self.chunk)


@dataclass(frozen=True)
class Delta(_LinearSpec):
    """`delta`: the delta rule with learned write strength."""

    kind: ClassVar[str] = "delta"

    def build(self, shape: AttentionShape, rotary: Rotary) -> LinearMixer:
        """The mixer, which has no positions."""
        return DeltaRule(shape, self.chunk, decaying=False)


@dataclass(frozen=True)
class GatedDelta(_LinearSpec):
    """`gated_delta`: the delta rule with a decay a head."""

    kind: ClassVar[str] = "gated_delta"

    def build(self, shape: AttentionShape, rotary: Rotary) -> LinearMixer:
        """The mixer, which has no positions."""
        return DeltaRule(shape, self.chunk, decaying=True)
