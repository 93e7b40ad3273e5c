"""Which part of a chunk each rank holds, and how each kind of mixer gets what stood before it.

A rank's part is a chunk like any other once it has the state before it. So a way to split a mixer
is a way to find that state; `WAYS` has one for each kind, and `fold` for those it does not name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from farspan.errors import RequestError
from farspan.mixers.base import AttentionMixer, Tokens

Way = Callable[["Shards", AttentionMixer, Tensor, Tokens, Any], tuple[Tensor, Any]]


@dataclass(frozen=True)
class Shards:
    """The ranks of `group` hold `lengths` consecutive tokens of every row, none or more.

    In plain chunks `first_asked` tells each rank's first asked token. With `keep` every rank gets
    the state behind the whole chunk, except that stores of keys and values stay where they were
    written: a rank's store holds its own share. `continues` says that stores hold earlier chunks.
    """

    group: dist.ProcessGroup
    lengths: tuple[int, ...]
    first_asked: tuple[int, ...] | None = None
    keep: bool = False
    continues: bool = False

    def __post_init__(self) -> None:
        assert len(self.lengths) == dist.get_world_size(self.group), "a length for each rank"

    @property
    def rank(self) -> int:
        """This rank's place in the group."""
        return dist.get_rank(self.group)

    @property
    def size(self) -> int:
        """How many ranks there are."""
        return len(self.lengths)

    @property
    def edges(self) -> tuple[int, ...]:
        """Where in the chunk each rank's part begins, and the end."""
        return (0, *accumulate(self.lengths))

    @property
    def nothing_asked(self) -> bool:
        """Whether a plain chunk has read tokens alone, on all ranks."""
        return self.first_asked == self.lengths

    def only_asked(self) -> Shards:
        """The shards of a plain chunk's asked tokens: what layers above the read depth see."""
        assert self.first_asked is not None
        pairs = zip(self.lengths, self.first_asked, strict=True)
        lengths = tuple(length - first for length, first in pairs)
        return replace(self, lengths=lengths, first_asked=(0,) * self.size)

    def own(self, tokens: Tokens) -> Tokens:
        """This rank's tokens of the whole chunk's."""
        return replace(tokens.slice(*self.edges[self.rank : self.rank + 2]), shards=self)

    def mix(
        self, mixer: AttentionMixer, x_btc: Tensor, tokens: Tokens, state: Any
    ) -> tuple[Tensor, Any]:
        """As `mixer(x, tokens, state)` for this rank's part, `state` being that of the group."""
        from farspan.parallel.sequence.ways import WAYS, fold

        way: Way = WAYS.get(type(mixer), fold)
        return way(self, mixer, x_btc, replace(tokens, shards=None), state)


def split_lengths(length: int, ranks: int, multiple: int = 1) -> tuple[int, ...]:
    """Parts of `multiple` tokens times a whole number, as equal as can be; the last may be short.

    Raises `RequestError` when there are not enough tokens to give every rank some.
    """
    blocks = -(-length // multiple)
    if blocks < ranks:
        raise RequestError(
            f"a row of {length} tokens cannot be split over {ranks} sequence ranks in parts of at"
            f" least {multiple}; use fewer ranks or longer rows"
        )
    each, more = divmod(blocks, ranks)
    sizes = [(each + (rank < more)) * multiple for rank in range(ranks)]
    sizes[-1] -= blocks * multiple - length
    return tuple(sizes)


def make_shards(
    group: dist.ProcessGroup,
    lengths: Sequence[int],
    first_asked: int | None = None,
    *,
    keep: bool = False,
    continues: bool = False,
) -> Shards:
    """Shards of a chunk whose asked tokens begin at `first_asked`; None if it is not plain."""
    own = None
    if first_asked is not None:
        starts = (0, *accumulate(lengths))[:-1]
        pairs = zip(starts, lengths, strict=True)
        own = tuple(min(max(first_asked - start, 0), length) for start, length in pairs)
    return Shards(group, tuple(lengths), own, keep, continues)


def own_slice(x_bt: Tensor, shards: Shards) -> Tensor:
    """This rank's part of what every rank has whole, along axis 1."""
    start, stop = shards.edges[shards.rank : shards.rank + 2]
    return x_bt[:, start:stop]


def untouched(mixer: AttentionMixer, y_btc: Tensor) -> Tensor:
    """Nothing, with a gradient of zero for each parameter: what a rank without tokens puts out.

    Sharded parameters are reduced over all ranks, so each rank must have a gradient for each.
    """
    zero = y_btc.new_zeros(())
    for parameter in mixer.parameters():
        if parameter.requires_grad:
            zero = zero + parameter.sum().to(zero.dtype) * 0.0
    return y_btc + zero if torch.is_grad_enabled() else y_btc
