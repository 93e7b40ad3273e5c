"""A store whose keys and values lie in files, so that memory stays small at any length.

Layout: token after token, bfloat16 `[Hkv, D]`, keys in rows `NAME.keys`, values in `NAME.values`.
Blocks are read into one reused buffer, so the resident memory is that of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from farspan.memory.disk_store import DiskStore
from farspan.memory.rows import PARTS, CheckedRows, sum_bytes
from farspan.memory.sketch import BLOCK, Sketch
from farspan.memory.store import MemoryStore

DTYPE = torch.bfloat16
_INDEXED_AT_ONCE = 65_536


class _Files:
    """The keys and the values of a layer, and memory that blocks of them are read into."""

    def __init__(self, stem: Path, row_bytes: int, length: int) -> None:
        self.row_bytes = row_bytes
        keys, values = (CheckedRows(Path(f"{stem}.{x}"), row_bytes, length) for x in PARTS)
        self.rows = keys, values
        self.scratch = [torch.empty(0, dtype=DTYPE), torch.empty(0, dtype=DTYPE)]
        self.written = length
        self.is_cut = False

    def cut(self, length: int) -> None:
        """Drops what lies behind `length` tokens."""
        for rows in self.rows:
            rows.cut(length)

    def write(self, part: int, x: Tensor) -> None:
        self.rows[part].append(x.to(DTYPE).contiguous().view(torch.uint8).flatten().numpy().data)

    def read(self, part: int, start: int, stop: int) -> Tensor:
        elements = (stop - start) * self.row_bytes // DTYPE.itemsize
        if self.scratch[part].numel() < elements:
            self.scratch[part] = torch.empty(elements, dtype=DTYPE)
        rows = self.scratch[part][:elements]
        self.rows[part].read_into(rows.view(torch.uint8).numpy().data, start)
        return rows

    def gather(self, part: int, blocks: Tensor, size: int) -> Tensor:
        """Blocks `[n]` of `size` tokens as elements `[n * size, row]`, in memory of their own.

        The kernel is told of all of them first, so that a cold disk serves them together.
        """
        block_bytes = size * self.row_bytes
        for start, stop in runs(blocks):
            self.rows[part].announce(start * size, stop * size)
        rows = torch.empty(len(blocks) * block_bytes // DTYPE.itemsize, dtype=DTYPE)
        data, at = rows.view(torch.uint8).numpy().data, 0
        for start, stop in runs(blocks):
            count = (stop - start) * block_bytes
            self.rows[part].read_into(data[at : at + count], start * size)
            at += count
        return rows.view(len(blocks) * size, -1)


def runs(blocks: Tensor) -> list[tuple[int, int]]:
    """Sorted block numbers `[n]` as runs of neighbours `(first, last + 1)`."""
    if not len(blocks):
        return []
    ends = torch.nonzero(blocks.diff() != 1).squeeze(1) + 1
    first = torch.cat((blocks[:1], blocks[ends]))
    last = torch.cat((blocks[ends - 1], blocks[-1:]))
    return list(zip(first.tolist(), (last + 1).tolist(), strict=True))


@dataclass(frozen=True)
class FileStore(DiskStore):
    """Keys and values of one row on disk, bfloat16. A block is valid until the next is read."""

    files: _Files
    n_heads: int
    head_dim: int
    tokens: int
    sketch: Sketch | None = None

    @classmethod
    def open(
        cls, stem: Path, n_heads: int, head_dim: int, *, length: int = 0, indexed: bool = False
    ) -> FileStore:
        """The first `length` tokens in `stem.keys` and `stem.values`; 0 starts a new store.

        With `indexed` also the index, which `mend_index` completes where it covers less. Raises
        `DamagedFileError` if keys or values hold fewer tokens.
        """
        files = _Files(stem, n_heads * head_dim * DTYPE.itemsize, length)
        sketch = Sketch(stem, (n_heads, head_dim), length) if indexed else None
        return cls(files, n_heads, head_dim, length, sketch)

    @property
    def length(self) -> int:
        """Stored tokens."""
        return self.tokens

    def append(self, k_bthd: Tensor, v_bthd: Tensor) -> FileStore:
        """Writes behind the last token. Raises `RequestError` on a full disk."""
        assert k_bthd.shape[0] == 1, "a file store holds one row"
        assert self.files.written == self.tokens, "fork a file store before asking"
        if not self.files.is_cut:
            self.cut()
        self.files.is_cut = False  # until all is written: what a full disk leaves is cut again
        self.files.write(0, k_bthd)
        self.files.write(1, v_bthd)
        after = replace(self, tokens=self.tokens + k_bthd.shape[1])
        after.mend_index()
        self.files.written, self.files.is_cut = after.tokens, True
        return after

    def cut(self) -> None:
        """Drops what lies behind in the files, the index first: it must never tell of others."""
        if self.sketch is not None:
            self.sketch.cut(self.tokens)
        self.files.cut(self.tokens)

    def lacks_index(self) -> bool:
        """Whether complete blocks are not indexed."""
        return self.sketch is not None and self.sketch.tokens < self.tokens // BLOCK * BLOCK

    def mend_index(self) -> None:
        """Indexes complete blocks that are not."""
        sketch, whole = self.sketch, self.tokens // BLOCK * BLOCK
        if sketch is None:
            return
        for start in range(sketch.tokens, whole, _INDEXED_AT_ONCE):
            stop = min(start + _INDEXED_AT_ONCE, whole)
            sketch.append(self._shape(self.files.read(0, start, stop))[0])

    @property
    def rows(self) -> tuple[CheckedRows, CheckedRows]:
        """The keys and the values in files."""
        return self.files.rows

    @property
    def rows_used(self) -> int:
        """Stored tokens."""
        return self.tokens

    def announce(self, *, whole: bool) -> None:
        """Has the kernel begin to read what will be asked: the `whole` store, or the index."""
        if whole or self.sketch is None:
            super().announce(whole=whole)
        else:
            self.sketch.announce()

    def descriptors(self) -> tuple[int, ...]:
        """The open files, to be brought to disk."""
        index = () if self.sketch is None else self.sketch.descriptors
        return super().descriptors() + index

    def gather(self, blocks: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Keys and values of sorted blocks `[n]` of `size` tokens, each `[n * size, Hkv, D]`."""
        k, v = (self.files.gather(part, blocks, size) for part in (0, 1))
        return k.unflatten(1, (self.n_heads, -1)), v.unflatten(1, (self.n_heads, -1))

    def keys(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """Blocks of keys, each in the same memory."""
        for start in range(0, self.tokens, size):
            stop = min(start + size, self.tokens)
            yield start, self._shape(self.files.read(0, start, stop))

    def values(self, start: int, stop: int) -> Tensor:
        """The values of a block, in memory that the next call reuses."""
        return self._shape(self.files.read(1, start, stop))

    def load(self) -> MemoryStore:
        """The whole store as tensors."""
        keys = self.files.read(0, 0, self.tokens).clone()
        return MemoryStore(self._shape(keys), self.values(0, self.tokens).clone())

    def held_bytes(self) -> int:
        """Bytes on disk, checksums and the index included."""
        index = 0 if self.sketch is None else self.sketch.held_bytes()
        return 2 * (self.tokens * self.files.row_bytes + sum_bytes(self.tokens)) + index

    def _shape(self, rows: Tensor) -> Tensor:
        return rows.view(1, -1, self.n_heads, self.head_dim)
