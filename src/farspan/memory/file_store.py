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
from farspan.memory.store import KeyValueStore, MemoryStore, OverlayStore

DTYPE = torch.bfloat16


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
            if hasattr(os, "posix_fadvise"):  # the disk is slower than the scan: begin at once
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
        self.written = length

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


@dataclass(frozen=True)
class FileStore(KeyValueStore):
    """Keys and values of one row on disk, bfloat16. A block is valid until the next is read."""

    files: _Files
    n_heads: int
    head_dim: int
    tokens: int

    @classmethod
    def open(cls, stem: Path, n_heads: int, head_dim: int, *, length: int = 0) -> FileStore:
        """Opens or creates `stem.keys` and `stem.values` and cuts them to `length` tokens.

        Raises `DamagedFileError` if they hold fewer.
        """
        files = _Files(stem, n_heads * head_dim * DTYPE.itemsize)
        files.cut(length)
        return cls(files, n_heads, head_dim, length)

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
        return replace(self, tokens=self.files.written)

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
        """Bytes on disk."""
        return 2 * self.tokens * self.files.row_bytes

    def _shape(self, rows: Tensor) -> Tensor:
        return rows.view(1, -1, self.n_heads, self.head_dim)
