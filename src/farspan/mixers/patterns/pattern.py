"""Fixed attention patterns, as rules over positions: nothing of the size of a mask is ever held.

Positions count within a document. Rules take integer tensors that broadcast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


class Pattern(ABC):
    """Which keys of its document a query sees, by the positions of both."""

    @property
    def fold(self) -> int:
        """Queries that lie a multiple of this apart share their keys, and are computed together."""
        return 1

    @property
    def parts(self) -> tuple[Pattern, ...]:
        """Disjoint patterns that make up this one, and are computed each by itself."""
        return (self,)

    @abstractmethod
    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        """Which keys a query sees, given that they are not later."""

    @abstractmethod
    def keeps(self, key: Tensor, last: Tensor) -> Tensor:
        """Whether any query behind `last` sees the key, so that a state must keep it."""

    @abstractmethod
    def visible(self, query: Tensor) -> Tensor:
        """How many keys a query sees."""

    @abstractmethod
    def kept(self, n_tokens: int) -> int:
        """How many keys a state keeps after `n_tokens`."""

    @abstractmethod
    def keys(self, begin: int, first: int, last: int) -> Tensor:
        """Sorted positions `[S]`, from `begin` on, that some query of a block may see.

        The block's queries lie from `first` to `last`, `fold` apart.
        """


class Near(ABC):
    """A run of keys that ends with the query itself; `first` never falls."""

    @abstractmethod
    def first(self, query: Tensor) -> Tensor:
        """Where the run begins."""


@dataclass(frozen=True)
class Sliding(Near):
    """The last `window` positions."""

    window: int

    def first(self, query: Tensor) -> Tensor:
        """`window` positions, the query's own counted."""
        return (query - self.window + 1).clamp_min(0)


@dataclass(frozen=True)
class OwnBlock(Near):
    """The query's block of `size` positions, up to itself."""

    size: int

    def first(self, query: Tensor) -> Tensor:
        """The block's border."""
        return query // self.size * self.size


class Far(ABC):
    """Keys that every later query sees."""

    @abstractmethod
    def has(self, key: Tensor) -> Tensor:
        """Whether the key is one of them."""

    @abstractmethod
    def before(self, stop: Tensor) -> Tensor:
        """How many there are below `stop`."""

    @abstractmethod
    def between(self, begin: int, stop: int) -> Tensor:
        """Those from `begin` on and below `stop`, sorted `[S]`."""


@dataclass(frozen=True)
class Every(Far):
    """`width` columns of every `period` positions, from `offset` on."""

    period: int
    offset: int
    width: int

    def has(self, key: Tensor) -> Tensor:
        """By the place within the period."""
        place = key % self.period - self.offset
        return (place >= 0) & (place < self.width)

    def before(self, stop: Tensor) -> Tensor:
        """Whole periods, and what has begun of the last."""
        begun = (stop % self.period - self.offset).clamp(0, self.width)
        return stop // self.period * self.width + begun

    def between(self, begin: int, stop: int) -> Tensor:
        """Period by period."""
        starts = torch.arange(begin // self.period, -(-stop // self.period)) * self.period
        columns = torch.arange(self.offset, self.offset + self.width)
        found = (starts.unsqueeze(1) + columns).flatten()
        return found[(found >= begin) & (found < stop)]


@dataclass(frozen=True)
class First(Far):
    """The first `tokens` of a document."""

    tokens: int

    def has(self, key: Tensor) -> Tensor:
        """By position."""
        return key < self.tokens

    def before(self, stop: Tensor) -> Tensor:
        """All, once they have passed."""
        return stop.clamp_max(self.tokens)

    def between(self, begin: int, stop: int) -> Tensor:
        """All, once they have passed."""
        stop = min(stop, self.tokens)
        return torch.arange(min(begin, stop), stop)


@dataclass(frozen=True)
class Columns(Pattern):
    """A run of near keys, and columns for all later queries (Child et al. 2019; Longformer)."""

    near: Near
    far: Far

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        """Near ones and columns."""
        return (key >= self.near.first(query)) | self.far.has(key)

    def keeps(self, key: Tensor, last: Tensor) -> Tensor:
        """What the next query has near, and columns."""
        return (key >= self.near.first(last + 1)) | self.far.has(key)

    def visible(self, query: Tensor) -> Tensor:
        """The near run, and the columns before it."""
        first = self.near.first(query)
        return query - first + 1 + self.far.before(first)

    def kept(self, n_tokens: int) -> int:
        """What the next query sees besides itself."""
        return int(self.visible(torch.tensor(n_tokens))) - 1

    def keys(self, begin: int, first: int, last: int) -> Tensor:
        """Columns before the first query's run, and everything from there on."""
        near = max(begin, int(self.near.first(torch.tensor(first))))
        return torch.cat((self.far.between(begin, near), torch.arange(near, last + 1)))


@dataclass(frozen=True)
class Dilated(Pattern):
    """Keys a multiple of `dilation` back, `window` of them, or all where it is None.

    Those less than `beyond` positions back are left out.
    """

    window: int | None
    dilation: int
    beyond: int = 0

    @property
    def fold(self) -> int:
        """Queries of one residue share their keys."""
        return self.dilation

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        """By distance."""
        distance = query - key
        fits = (distance % self.dilation == 0) & (distance >= self.beyond)
        return fits if self.window is None else fits & (distance < self.window * self.dilation)

    def keeps(self, key: Tensor, last: Tensor) -> Tensor:
        """Keys that the next query of their residue still reaches."""
        if self.window is None:
            return torch.ones_like(key, dtype=torch.bool)
        return last + 1 - key <= (self.window - 1) * self.dilation

    def visible(self, query: Tensor) -> Tensor:
        """Steps back that stay within the document, without those that are too near."""
        farthest = query // self.dilation
        if self.window is not None:
            farthest = farthest.clamp_max(self.window - 1)
        return (farthest + 1 + -self.beyond // self.dilation).clamp_min(0)

    def kept(self, n_tokens: int) -> int:
        """The reach of the window, whatever the residue."""
        if self.window is None:
            return n_tokens
        return min(n_tokens, (self.window - 1) * self.dilation)

    def keys(self, begin: int, first: int, last: int) -> Tensor:
        """The residue's keys from the first query's farthest to the last query's nearest."""
        begin += (first - begin) % self.dilation
        if self.window is not None:
            begin = max(begin, first - (self.window - 1) * self.dilation)
        skipped = -(-self.beyond // self.dilation) * self.dilation
        return torch.arange(begin, max(begin, last - skipped + 1), self.dilation)


@dataclass(frozen=True)
class Union(Pattern):
    """Disjoint patterns, each of which keeps the latest keys only."""

    members: tuple[Pattern, ...]

    @property
    def parts(self) -> tuple[Pattern, ...]:
        """The members."""
        return self.members

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        """What any member sees."""
        return torch.stack([part.sees(query, key) for part in self.members]).any(0)

    def keeps(self, key: Tensor, last: Tensor) -> Tensor:
        """What any member keeps."""
        return torch.stack([part.keeps(key, last) for part in self.members]).any(0)

    def visible(self, query: Tensor) -> Tensor:
        """Of all members."""
        return torch.stack([part.visible(query) for part in self.members]).sum(0)

    def kept(self, n_tokens: int) -> int:
        """Of the member that reaches farthest."""
        return max(part.kept(n_tokens) for part in self.members)

    def keys(self, begin: int, first: int, last: int) -> Tensor:
        """Of all members."""
        return torch.cat([part.keys(begin, first, last) for part in self.members]).unique()
