"""A store of 8 or 4 bits a number: whole blocks quantised, on disk or in memory, the rest as it is.

Axes: b row (one), t new token, s stored token, h key-value head, d feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from farspan.memory.disk_store import DiskStore
from farspan.memory.quantise import Format
from farspan.memory.rows import CHECKED, PARTS, CheckedRows
from farspan.memory.sizes import BLOCK
from farspan.memory.store import KeyValueStore, MemoryStore, OverlayStore

TAIL = torch.bfloat16


class _Bytes(Protocol):
    """Rows of bytes, wherever they are."""

    length: int

    def append(self, data: memoryview) -> None: ...
    def read_into(self, data: memoryview, start: int) -> None: ...
    def cut(self, length: int) -> None: ...


class _Memory:
    """Rows in memory."""

    def __init__(self, row_bytes: int) -> None:
        self.row_bytes = row_bytes
        self.length = 0
        self.data = bytearray()

    def append(self, data: memoryview) -> None:
        self.data += data
        self.length += len(data) // self.row_bytes

    def read_into(self, data: memoryview, start: int) -> None:
        begin = start * self.row_bytes
        data[:] = memoryview(self.data)[begin : begin + len(data)]

    def cut(self, length: int) -> None:
        del self.data[length * self.row_bytes :]
        self.length = length


class _Blocks:
    """The blocks of a layer and memory to read them into; shared by the stores of one row."""

    def __init__(self, form: Format, rows: tuple[_Bytes, _Bytes]) -> None:
        self.form = form
        self.rows = rows
        self.is_whole = False
        self.scratch = torch.empty(0, dtype=torch.uint8)

    def write(self, blocks: int, k_nshd: Tensor, v_nshd: Tensor) -> None:
        """Writes blocks behind the first `blocks`; what a full disk left half written is cut."""
        if not self.is_whole:
            for rows in self.rows:
                rows.cut(blocks)
        assert all(rows.length == blocks for rows in self.rows), "fork a store before asking"
        self.is_whole = False
        for part, x in enumerate((k_nshd, v_nshd)):
            self.rows[part].append(self.form.pack(x, part).flatten().numpy().data)
        self.is_whole = True

    def read(self, part: int, start: int, stop: int, dtype: torch.dtype) -> Tensor:
        row_bytes = self.form.row_bytes(part)
        size = (stop - start) * row_bytes
        if self.scratch.numel() < size:
            self.scratch = torch.empty(size, dtype=torch.uint8)
        data = self.scratch[:size]
        self.rows[part].read_into(data.numpy().data, start)
        return self.form.unpack(data.view(-1, row_bytes), part, dtype)


@dataclass(frozen=True)
class QuantisedStore(KeyValueStore):
    """Keys and values of one row, blocks of `BLOCK` tokens in few bits, the last ones in bfloat16.

    Blocks of keys come in `dtype`, valid until the next is read.
    """

    blocks: _Blocks
    n_blocks: int
    tail: MemoryStore
    dtype: torch.dtype

    @classmethod
    def in_memory(
        cls, kind: str, n_heads: int, head_dim: int, *, dtype: torch.dtype = torch.bfloat16
    ) -> QuantisedStore:
        """An empty store on the CPU; `kind` is int8 or int4."""
        form = Format(kind, n_heads, head_dim)
        blocks = _Blocks(form, (_Memory(form.row_bytes(0)), _Memory(form.row_bytes(1))))
        return cls(blocks, 0, MemoryStore.empty(1, n_heads, head_dim, dtype=TAIL), dtype)

    @property
    def length(self) -> int:
        """Stored tokens."""
        return self.n_blocks * BLOCK + self.tail.length

    def append(self, k_bthd: Tensor, v_bthd: Tensor) -> QuantisedStore:
        """Quantises the blocks that become whole, and keeps the rest."""
        assert k_bthd.shape[0] == 1, "a quantised store holds one row"
        tail = self.tail.append(k_bthd.to(TAIL), v_bthd.to(TAIL))
        whole = tail.length // BLOCK
        if not whole:
            return replace(self, tail=tail)
        k, v = (x[0, : whole * BLOCK].unflatten(0, (-1, BLOCK)) for x in (tail.k_bshd, tail.v_bshd))
        self.blocks.write(self.n_blocks, k, v)
        k, v = (x[:, whole * BLOCK :].clone() for x in (tail.k_bshd, tail.v_bshd))
        return replace(self, n_blocks=self.n_blocks + whole, tail=MemoryStore(k, v))

    def keys(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """Keys by whole blocks, about `size` tokens each, then those in bfloat16."""
        step = max(1, size // BLOCK)
        for start in range(0, self.n_blocks, step):
            stop = min(start + step, self.n_blocks)
            yield start * BLOCK, self.blocks.read(0, start, stop, self.dtype).unsqueeze(0)
        for start, k in self.tail.keys(max(1, self.tail.length)):
            yield self.n_blocks * BLOCK + start, k.to(self.dtype)

    def values(self, start: int, stop: int) -> Tensor:
        """The values of a piece that `keys` gave, in memory that the next call reuses."""
        first = self.n_blocks * BLOCK
        if start >= first:
            return self.tail.values(start - first, stop - first).to(self.dtype)
        assert start % BLOCK == stop % BLOCK == 0, "blocks are read whole"
        return self.blocks.read(1, start // BLOCK, stop // BLOCK, self.dtype).unsqueeze(0)

    def fork(self) -> OverlayStore:
        """An overlay; the blocks stay as they are."""
        return OverlayStore(self)

    def with_tail(self, k_bshd: Tensor, v_bshd: Tensor) -> QuantisedStore:
        """The store with these tokens behind its blocks, fewer than fill one."""
        assert k_bshd.shape[1] < BLOCK, "a tail fills no block"
        return replace(self, tail=MemoryStore(k_bshd, v_bshd))

    def load(self) -> MemoryStore:
        """The whole store as tensors."""
        k, v = (
            [self.blocks.read(part, 0, self.n_blocks, self.dtype).clone().unsqueeze(0)]
            for part in (0, 1)
        )
        k.append(self.tail.k_bshd.to(self.dtype))
        v.append(self.tail.v_bshd.to(self.dtype))
        return MemoryStore(torch.cat(k, 1), torch.cat(v, 1))

    def held_bytes(self) -> int:
        """Bytes of blocks and of the tokens that fill none yet."""
        row = sum(self.blocks.form.row_bytes(part) for part in (0, 1))
        return self.n_blocks * row + self.tail.held_bytes()


@dataclass(frozen=True)
class QuantisedFileStore(QuantisedStore, DiskStore):
    """A quantised store whose blocks are rows in files; the tail is its owner's to keep."""

    row_tokens = BLOCK

    @classmethod
    def open(
        cls,
        stem: Path,
        kind: str,
        n_heads: int,
        head_dim: int,
        *,
        length: int = 0,
        dtype: torch.dtype = torch.bfloat16,
    ) -> QuantisedFileStore:
        """The whole blocks of the first `length` tokens; `DamagedFileError` if files hold fewer."""
        form, n_blocks = Format(kind, n_heads, head_dim), length // BLOCK
        keys, values = (
            CheckedRows(Path(f"{stem}.{x}"), form.row_bytes(i), n_blocks, CHECKED // BLOCK)
            for i, x in enumerate(PARTS)
        )
        tail = MemoryStore.empty(1, n_heads, head_dim, dtype=TAIL)
        return cls(_Blocks(form, (keys, values)), n_blocks, tail, dtype)

    @property
    def rows(self) -> tuple[CheckedRows, CheckedRows]:
        """The keys and the values in files."""
        keys, values = self.blocks.rows
        assert isinstance(keys, CheckedRows) and isinstance(values, CheckedRows)
        return keys, values

    @property
    def rows_used(self) -> int:
        """Whole blocks."""
        return self.n_blocks
