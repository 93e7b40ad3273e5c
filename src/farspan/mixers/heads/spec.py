"""`heads` in a layer plan."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from farspan.mixers.base import AttentionMixer, AttentionShape
from farspan.mixers.full.spec import Full
from farspan.mixers.heads.chunked import HeadsAttention, shares
from farspan.mixers.spec import MixerSpec
from farspan.mixers.window.spec import Window
from farspan.positions.rotary import Rotary


@dataclass(frozen=True)
class Heads(MixerSpec):
    """`heads(window(128)*2|full)`: the key-value heads of a layer in order, a mixer for each share.

    Each part has as many key-value heads as the others, the first ones one more where they do not
    divide; `*2` is a part twice. Every part attends with queries, keys and values alone.
    """

    kind: ClassVar[str] = "heads"
    parts: tuple[MixerSpec, ...] = (Window(), Full())

    def __post_init__(self) -> None:
        for part in self.parts:
            if not part.shares_projections:
                self.need(False, f"{part.kind} needs a layer of its own")

    @property
    def takes_pairs(self) -> bool:
        """Whether every part does."""
        return all(part.takes_pairs for part in self.parts)

    @property
    def least_kv_heads(self) -> int:
        """One for each part."""
        return sum(part.least_kv_heads for part in self.parts)

    def build(self, shape: AttentionShape, rotary: Rotary) -> HeadsAttention:
        """The mixer; equal neighbours are one part of it."""
        sizes = iter(shares(shape.n_kv_heads, len(self.parts), str(self)))
        made = []
        for part, run in groupby(self.parts):
            size = sum(next(sizes) for _ in run)

            def make(shape: AttentionShape, part: MixerSpec = part) -> AttentionMixer:
                return part.build(shape, rotary)

            made.append((size, make))
        return HeadsAttention(shape, made)

    def shrunk(self, scale: int) -> Heads:
        """With every part shrunk."""
        return Heads(tuple(part.shrunk(scale) for part in self.parts))

    def sizes(self) -> tuple[int, ...]:
        """Of all parts."""
        return tuple(size for part in self.parts for size in part.sizes())

    def __str__(self) -> str:
        return f"heads({'|'.join(written(self.parts))})"


def written(specs: tuple[MixerSpec, ...]) -> list[str]:
    """Specs as a plan writes them, a run of equal ones once with its count."""
    runs = ((str(spec), len(list(run))) for spec, run in groupby(specs))
    return [text + (f"*{count}" if count > 1 else "") for text, count in runs]
