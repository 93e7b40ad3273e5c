"""The fixed patterns in a layer plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from farspan.mixers.base import AttentionMixer, AttentionShape
from farspan.mixers.heads.chunked import HeadsAttention, Make, shares
from farspan.mixers.patterns.chunked import PatternAttention
from farspan.mixers.patterns.pattern import (
    Columns,
    Dilated,
    Every,
    First,
    OwnBlock,
    Pattern,
    Sliding,
    Union,
)
from farspan.mixers.patterns.random import RandomBlocks
from farspan.mixers.spec import POSITIONS, MixerSpec
from farspan.positions.rotary import Rotary

HEADS = ("merged", "split")
"""Whether every head sees both parts of a pattern, or half of the key-value heads see each."""
ANCHORS = ("start", "query")


@dataclass(frozen=True)
class _PatternSpec(MixerSpec):
    """A pattern for all heads, or one for each half of the key-value heads."""

    pairs: ClassVar[bool] = False

    @property
    def least_kv_heads(self) -> int:
        """One for each pattern."""
        return len(self.patterns())

    def build(self, shape: AttentionShape, rotary: Rotary) -> AttentionMixer:
        """The mixer."""
        patterns = self.patterns()
        own = None if getattr(self, "position", "model") == "none" else rotary

        def maker(pattern: Pattern) -> Make:
            return lambda shape: PatternAttention(shape, own, pattern, rotary.temperature)

        if len(patterns) == 1:
            return maker(patterns[0])(shape)
        sizes = shares(shape.n_kv_heads, len(patterns), str(self))
        return HeadsAttention(shape, list(zip(sizes, map(maker, patterns), strict=True)))

    def patterns(self) -> tuple[Pattern, ...]:
        """One pattern for all heads, or several for a share of them each."""
        raise NotImplementedError

    def need_heads(self, heads: str) -> None:
        """Raises `RequestError` for a word that is not in `HEADS`."""
        self.need(heads in HEADS, f"heads must be one of {', '.join(HEADS)}")


@dataclass(frozen=True)
class Strided(_PatternSpec):
    """`strided(128, stride=64)`: the last 128 tokens, and every 64th of the document.

    With `anchor=query` it is every 64th back from the query, as in the paper, which keeps all
    keys; with `heads=split` half of the key-value heads see the window, the others the columns.
    """

    kind: ClassVar[str] = "strided"
    window: int = 128
    stride: int = 128
    anchor: str = ANCHORS[0]
    heads: str = HEADS[0]
    position: str = POSITIONS[0]

    def __post_init__(self) -> None:
        self.need(self.window >= 1, "a window holds at least 1 token")
        self.need(self.stride >= 1, "a stride is at least 1 token")
        self.need(self.anchor in ANCHORS, f"anchor must be one of {', '.join(ANCHORS)}")
        self.need_heads(self.heads)
        self.need_position(self.position)

    def patterns(self) -> tuple[Pattern, ...]:
        """Window and columns."""
        window, columns = Columns(Sliding(self.window), First(0)), Every(self.stride, 0, 1)
        if self.anchor == "start":
            if self.heads == "merged":
                return (Columns(Sliding(self.window), columns),)
            return window, Columns(Sliding(1), columns)
        if self.heads == "merged":
            return (Union((window, Dilated(None, self.stride, beyond=self.window))),)
        return window, Dilated(None, self.stride)


@dataclass(frozen=True)
class Fixed(_PatternSpec):
    """`fixed(128, columns=8)`: the own block of 128 tokens, and the last 8 of every one before.

    With `heads=split` half of the key-value heads see the block, the others the columns.
    """

    kind: ClassVar[str] = "fixed"
    block: int = 128
    columns: int = 8
    heads: str = HEADS[0]
    position: str = POSITIONS[0]

    def __post_init__(self) -> None:
        self.need(self.block >= 1, "a block holds at least 1 token")
        self.need(1 <= self.columns <= self.block, "columns must be 1 to the size of a block")
        self.need_heads(self.heads)
        self.need_position(self.position)

    def patterns(self) -> tuple[Pattern, ...]:
        """Block and columns."""
        columns = Every(self.block, self.block - self.columns, self.columns)
        if self.heads == "merged":
            return (Columns(OwnBlock(self.block), columns),)
        return Columns(OwnBlock(self.block), First(0)), Columns(Sliding(1), columns)


@dataclass(frozen=True)
class Dilate(_PatternSpec):
    """`dilated(128, dilation=4)`: 128 tokens, every 4th back from the query."""

    kind: ClassVar[str] = "dilated"
    window: int = 128
    dilation: int = 4
    position: str = POSITIONS[0]

    def __post_init__(self) -> None:
        self.need(self.window >= 1, "a window holds at least 1 token")
        self.need(self.dilation >= 1, "a dilation is at least 1 token")
        self.need_position(self.position)

    def patterns(self) -> tuple[Pattern, ...]:
        """The dilated window."""
        return (Dilated(self.window, self.dilation),)

    def sizes(self) -> tuple[int, ...]:
        """How far back the window reaches."""
        return (self.window * self.dilation,)

    def shrunk(self, scale: int) -> Dilate:
        """Fewer steps of the same dilation, as far as that goes."""
        step = min(self.dilation, 4)
        reach = max(1, self.window * self.dilation // scale)
        return replace(self, window=max(1, reach // step), dilation=step)


@dataclass(frozen=True)
class Global(_PatternSpec):
    """`global(512, tokens=16)`: the last 512 tokens, and the first 16 of the document."""

    kind: ClassVar[str] = "global"
    window: int = 512
    tokens: int = 16
    position: str = POSITIONS[0]

    def __post_init__(self) -> None:
        self.need(self.window >= 1, "a window holds at least 1 token")
        self.need(self.tokens >= 1, "there is at least 1 global token")
        self.need_position(self.position)

    def patterns(self) -> tuple[Pattern, ...]:
        """Window and first tokens."""
        return (Columns(Sliding(self.window), First(self.tokens)),)


@dataclass(frozen=True)
class BigBird(_PatternSpec):
    """`bigbird(64, window=8, first=1, random=3)`: in blocks of 64 tokens, a window, the first, and
    random ones, which depend on `seed` and the place alone.
    """

    kind: ClassVar[str] = "bigbird"
    not_sizes: ClassVar[tuple[str, ...]] = ("window", "first", "random", "seed")
    block: int = 64
    window: int = 8
    first: int = 1
    random: int = 3
    seed: int = 0
    position: str = POSITIONS[0]

    def __post_init__(self) -> None:
        self.need(self.block >= 1, "a block holds at least 1 token")
        self.need(self.window >= 1, "the window has at least the own block")
        self.need_position(self.position)

    def patterns(self) -> tuple[Pattern, ...]:
        """The one pattern."""
        return (RandomBlocks(self.block, self.window, self.first, self.random, self.seed),)

    def sizes(self) -> tuple[int, ...]:
        """How far back the window reaches."""
        return (self.block * self.window,)

    def shrunk(self, scale: int) -> BigBird:
        """Fewer blocks in the window where they cannot be smaller."""
        block = max(1, self.block // scale)
        window = max(1, self.block * self.window // scale // block)
        return replace(self, block=block, window=window)
