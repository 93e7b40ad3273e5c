"""A store whose keys and values lie in two files, so that memory stays small at any length.

Layout: token after token, bfloat16 `[Hkv, D]`, keys in `NAME.keys`, values in `NAME.values`.
Blocks are read into one reused buffer, so the resident memory is that of a block.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from farspan.errors import DamagedFileError, RequestError
from farspan.memory.sketch import COARSE, Sketch
from farspan.memory.store import KeyValueStore, MemoryStore, OverlayStore

DTYPE = torch.bfloat16
_INDEXED_AT_ONCE = 65_536


class _Files:
    """The open pair of files and how many tokens they hold."""

    def __init__(self, stem: Path, row_bytes: int) -> None:
        self.stem = stem
        self.row_bytes = row_bytes
        self.descriptors = tuple(
            os.open(f"{stem}.{part}", os.O_RDWR | os.O_CREAT, 0o600) for part in ("keys", "values")
        )
        self.scratch = [torch.empty(0, dtype=DTYPE), torch.empty(0, dtype=DTYPE)]
        self.written = 0

    def __del__(self) -> None:
        for descriptor in getattr(self, "descriptors", ()):
            os.close(descriptor)

    def cut(self, length: int) -> None:
        """Drops what lies behind `length` tokens; fewer than that is damage."""
        for descriptor in self.descriptors:
            size = os.fstat(descriptor).st_size
            if size < length * self.row_bytes:
                raise DamagedFileError(
                    f"{self.stem} holds {size // self.row_bytes} tokens where the session "
                    f"promises {length}; delete the session to read the document again"
                )
            os.ftruncate(descriptor, length * self.row_bytes)
        self.written = length

    def announce(self) -> None:
        """Has the kernel begin to read both files: the disk is slower than the scan."""
        if hasattr(os, "posix_fadvise"):
            for descriptor in self.descriptors:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)

    def write(self, part: int, rows: Tensor, length: int) -> None:
        data = rows.to(DTYPE).contiguous().view(torch.uint8).flatten().numpy().data
        offset = length * self.row_bytes
        try:
            while data:
                done = os.pwrite(self.descriptors[part], data, offset)
                data, offset = data[done:], offset + done
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise RequestError(
                    f"no room left on the disk that holds {self.stem.parent}; free some space "
                    "or set FARSPAN_CACHE to a larger disk, then ask again: what was read is kept"
                ) from error
            raise

    def read(self, part: int, start: int, stop: int) -> Tensor:
        elements = (stop - start) * self.row_bytes // DTYPE.itemsize
        if self.scratch[part].numel() < elements:
            self.scratch[part] = torch.empty(elements, dtype=DTYPE)
        rows = self.scratch[part][:elements]
        data = rows.view(torch.uint8).numpy().data
        offset = start * self.row_bytes
        while data:
            done = os.preadv(self.descriptors[part], [data], offset)
            if not done:
                raise DamagedFileError(
                    f"{self.stem} ends early; delete the session to read the document again"
                )
            data, offset = data[done:], offset + done
        return rows

    def gather(self, part: int, blocks: Tensor, size: int) -> Tensor:
        """Blocks `[n]` of `size` tokens as elements `[n * size, row]`, in memory of their own.

        The kernel is told of all of them first, so that a cold disk serves them together.
        """
        descriptor, block_bytes = self.descriptors[part], size * self.row_bytes
        if hasattr(os, "posix_fadvise"):
            for start, stop in runs(blocks):
                offset, count = start * block_bytes, (stop - start) * block_bytes
                os.posix_fadvise(descriptor, offset, count, os.POSIX_FADV_WILLNEED)
        rows = torch.empty(len(blocks) * block_bytes // DTYPE.itemsize, dtype=DTYPE)
        data, at = rows.view(torch.uint8).numpy().data, 0
        for start, stop in runs(blocks):
            count = (stop - start) * block_bytes
            if os.preadv(descriptor, [data[at : at + count]], start * block_bytes) != count:
                raise DamagedFileError(
                    f"{self.stem} ends early; delete the session to read the document again"
                )
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
class FileStore(KeyValueStore):
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
        """Opens or creates `stem.keys` and `stem.values` and cuts them to `length` tokens.

        With `indexed` also the index, which `mend_index` completes where it covers less. Raises
        `DamagedFileError` if keys or values hold fewer tokens.
        """
        files = _Files(stem, n_heads * head_dim * DTYPE.itemsize)
        files.cut(length)
        sketch = Sketch(stem, (n_heads, head_dim)) if indexed else None
        if sketch is not None:
            sketch.cut(length)
        return cls(files, n_heads, head_dim, length, sketch)

    @property
    def length(self) -> int:
        """Stored tokens."""
        return self.tokens

    def append(self, k_bthd: Tensor, v_bthd: Tensor) -> FileStore:
        """Writes behind the last token. Raises `RequestError` on a full disk."""
        assert k_bthd.shape[0] == 1, "a file store holds one row"
        assert self.files.written == self.tokens, "fork a file store before asking"
        self.files.write(0, k_bthd, self.tokens)
        self.files.write(1, v_bthd, self.tokens)
        self.files.written = self.tokens + k_bthd.shape[1]
        after = replace(self, tokens=self.files.written)
        after.mend_index()
        return after

    def lacks_index(self) -> bool:
        """Whether complete blocks are not indexed."""
        return self.sketch is not None and self.sketch.tokens < self.tokens // COARSE * COARSE

    def mend_index(self) -> None:
        """Indexes complete blocks that are not."""
        sketch, whole = self.sketch, self.tokens // COARSE * COARSE
        if sketch is None:
            return
        for start in range(sketch.tokens, whole, _INDEXED_AT_ONCE):
            stop = min(start + _INDEXED_AT_ONCE, whole)
            sketch.append(self._shape(self.files.read(0, start, stop))[0])

    def announce(self, *, whole: bool) -> None:
        """Has the kernel begin to read what will be asked: the `whole` store, or the index."""
        if whole or self.sketch is None:
            self.files.announce()
        else:
            self.sketch.announce()

    def descriptors(self) -> tuple[int, ...]:
        """The open files, to be brought to disk."""
        return self.files.descriptors + (() if self.sketch is None else self.sketch.descriptors)

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

    def fork(self) -> OverlayStore:
        """An overlay; the files stay as they are."""
        return OverlayStore(self)

    def load(self) -> MemoryStore:
        """The whole store as tensors."""
        keys = self.files.read(0, 0, self.tokens).clone()
        return MemoryStore(self._shape(keys), self.values(0, self.tokens).clone())

    def held_bytes(self) -> int:
        """Bytes on disk, the index included."""
        index = 0 if self.sketch is None else self.sketch.held_bytes()
        return 2 * self.tokens * self.files.row_bytes + index

    def _shape(self, rows: Tensor) -> Tensor:
        return rows.view(1, -1, self.n_heads, self.head_dim)
