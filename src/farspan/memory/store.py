"""Stores for keys and values: in memory, in a file, and a fork over either.

Axes: b row, t new token, s stored token, h key-value head, d feature. A store is a value:
`append` returns the longer store and leaves the shorter one as it was, so a state can be forked
by keeping it. Stores that share a buffer or file append in place only at its very end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from farspan.errors import RequestError

GROWTH = 1.5


class KeyValueStore(ABC):
    """Keys and values of one layer, in the order they were written."""

    @property
    @abstractmethod
    def length(self) -> int:
        """Stored tokens a row."""

    @abstractmethod
    def append(self, k_bthd: Tensor, v_bthd: Tensor) -> KeyValueStore:
        """The store with the next tokens."""

    @abstractmethod
    def keys(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """Blocks of at most `size` keys `[B, s, Hkv, D]`, each with its first token's index."""

    @abstractmethod
    def values(self, start: int, stop: int) -> Tensor:
        """The values of tokens `start` to `stop`, `[B, s, Hkv, D]`."""

    @abstractmethod
    def held_bytes(self) -> int:
        """Bytes of stored content, in memory or on disk."""

    def fork(self) -> KeyValueStore:
        """A store that starts from this one and never writes into what holds it."""
        return self

    def select_rows(self, row_b: Tensor) -> KeyValueStore:
        """The store of the rows named, in this order; refused where a store holds one row."""
        raise RequestError("a store on disk holds one row; keep the state in memory for several")


class _Buffer:
    """Two growing tensors `[B, capacity, H, D]` and how far they are written."""

    def __init__(self, k: Tensor, v: Tensor, capacity: int) -> None:
        shape = (k.shape[0], capacity, *k.shape[2:])
        self.k, self.v = k.new_empty(shape), v.new_empty(shape)
        self.capacity = capacity
        self.written = 0

    def write(self, k: Tensor, v: Tensor) -> None:
        stop = self.written + k.shape[1]
        self.k[:, self.written : stop] = k
        self.v[:, self.written : stop] = v
        self.written = stop


@dataclass(frozen=True)
class MemoryStore(KeyValueStore):
    """Keys and values as tensors `[B, S, Hkv, D]` on one device; differentiable."""

    k_bshd: Tensor
    v_bshd: Tensor
    buffer: _Buffer | None = None

    @classmethod
    def empty(
        cls,
        batch: int,
        n_heads: int,
        head_dim: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> MemoryStore:
        """A store without tokens."""
        nothing = torch.empty(batch, 0, n_heads, head_dim, device=device, dtype=dtype)
        return cls(nothing, nothing)

    @property
    def length(self) -> int:
        """Stored tokens a row."""
        return self.k_bshd.shape[1]

    def append(self, k_bthd: Tensor, v_bthd: Tensor) -> MemoryStore:
        """Concatenates under autograd; else writes behind the last token of a growing buffer."""
        if torch.is_grad_enabled() and (k_bthd.requires_grad or self.k_bshd.requires_grad):
            if not self.length:
                return MemoryStore(k_bthd, v_bthd)
            k, v = torch.cat((self.k_bshd, k_bthd), 1), torch.cat((self.v_bshd, v_bthd), 1)
            return MemoryStore(k, v)
        total = self.length + k_bthd.shape[1]
        buffer = self.buffer
        if buffer is None or buffer.written != self.length or buffer.capacity < total:
            capacity = total if self.length == 0 else max(total, int(self.length * GROWTH))
            buffer = _Buffer(k_bthd, v_bthd, capacity)
            buffer.write(self.k_bshd, self.v_bshd)
        buffer.write(k_bthd, v_bthd)
        return MemoryStore(buffer.k[:, :total], buffer.v[:, :total], buffer)

    def keys(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """Blocks of keys, views of the store."""
        for start in range(0, self.length, size):
            yield start, self.k_bshd[:, start : start + size]

    def values(self, start: int, stop: int) -> Tensor:
        """A view of the values."""
        return self.v_bshd[:, start:stop]

    def select_rows(self, row_b: Tensor) -> MemoryStore:
        """A copy of those rows."""
        row_b = row_b.to(self.k_bshd.device)
        return MemoryStore(self.k_bshd.index_select(0, row_b), self.v_bshd.index_select(0, row_b))

    def held_bytes(self) -> int:
        """Bytes of the stored tokens; spare room of the buffer is not counted."""
        return self.k_bshd.nbytes + self.v_bshd.nbytes


@dataclass(frozen=True)
class OverlayStore(KeyValueStore):
    """What is asked after a document: a tail in memory over a base that it never changes."""

    base: KeyValueStore
    tail: MemoryStore | None = None

    @property
    def length(self) -> int:
        """Stored tokens of base and tail."""
        return self.base.length + (0 if self.tail is None else self.tail.length)

    def append(self, k_bthd: Tensor, v_bthd: Tensor) -> OverlayStore:
        """Appends to the tail."""
        tail = self.tail
        if tail is None:
            shape = (k_bthd.shape[0], *k_bthd.shape[2:])
            tail = MemoryStore.empty(*shape, device=k_bthd.device, dtype=k_bthd.dtype)
        return replace(self, tail=tail.append(k_bthd, v_bthd))

    def keys(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """The base's blocks, then the tail's."""
        yield from self.base.keys(size)
        if self.tail is not None:
            for start, block in self.tail.keys(size):
                yield self.base.length + start, block

    def values(self, start: int, stop: int) -> Tensor:
        """Values of one block, which lies in the base or in the tail."""
        if start < self.base.length:
            assert stop <= self.base.length, "a block straddles base and tail"
            return self.base.values(start, stop)
        assert self.tail is not None
        return self.tail.values(start - self.base.length, stop - self.base.length)

    def held_bytes(self) -> int:
        """Bytes of base and tail."""
        return self.base.held_bytes() + (0 if self.tail is None else self.tail.held_bytes())
