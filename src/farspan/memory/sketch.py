"""The index of a store on disk: mean keys of small blocks, written as tokens are appended.

Bfloat16 rows `[Hkv, D]` lie beside a store: `NAME.fine`, the mean of every `FINE`
keys, and `NAME.coarse`, of every `COARSE`. Only complete coarse blocks are written, at places that
depend on nothing but their tokens, so however reading is cut or interrupted, the files agree.

Axes: n block, s key, g key-value head, d feature.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor

from farspan.errors import DamagedFileError
from farspan.memory.rows import Rows

FINE, COARSE = 4, 16
DTYPE = torch.bfloat16
SUFFIXES = ("fine", "coarse")
SIZES = (FINE, COARSE)


def pair_means(x_sgd: Tensor, size: int) -> Tensor:
    """Means of `size` (a power of two) rows each, float32, summed pairwise.

    Halving in a fixed order gives the same bits however many blocks are done at once.
    """
    total = x_sgd.float()
    for _ in range(size.bit_length() - 1):
        total = total[0::2] + total[1::2]
    return total / size


def sketch_of(k_sgd: Tensor) -> tuple[Tensor, Tensor]:
    """The fine and the coarse means of whole coarse blocks of keys."""
    fine = pair_means(k_sgd.to(DTYPE), FINE)
    return fine.to(DTYPE), pair_means(fine, COARSE // FINE).to(DTYPE)


class Sketch:
    """The rows of one store's index; `tokens` of the store are covered, at most `length`.

    `stem` is that of the store, `shape` its `(Hkv, D)`.
    """

    def __init__(self, stem: Path, shape: tuple[int, int], length: int = 0) -> None:
        self.shape = shape
        self.row_bytes = shape[0] * shape[1] * DTYPE.itemsize
        self.rows = tuple(Rows(Path(f"{stem}.{suffix}"), self.row_bytes) for suffix in SUFFIXES)
        covered = (rows.length * size for rows, size in zip(self.rows, SIZES, strict=True))
        self.tokens = min(*covered, length) // COARSE * COARSE
        self._coarse: tuple[int, Tensor] | None = None
        self._fine: tuple[int, list[Tensor]] | None = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The open files, to be brought to disk."""
        return tuple(x for rows in self.rows for x in rows.descriptors)

    def cut(self, length: int) -> None:
        """Drops what covers tokens from `length` on."""
        self.tokens = min(self.tokens, length // COARSE * COARSE)
        for rows, size in zip(self.rows, SIZES, strict=True):
            rows.cut(self.tokens // size)

    def append(self, k_sgd: Tensor) -> None:
        """Covers the next keys `[s, Hkv, D]`, whole coarse blocks of them."""
        assert k_sgd.shape[0] % COARSE == 0, "only complete blocks are indexed"
        if any(x.length != self.tokens // size for x, size in zip(self.rows, SIZES, strict=True)):
            self.cut(self.tokens)
        for rows, means in zip(self.rows, sketch_of(k_sgd), strict=True):
            rows.append(means.contiguous().view(torch.uint8).flatten().numpy().data)
        self.tokens += k_sgd.shape[0]

    def coarse(self) -> Tensor:
        """All coarse means `[Hkv, n, D]`, read once and kept."""
        if self._coarse is None or self._coarse[0] != self.tokens:
            means = torch.cat(self._maps(1))
            self._coarse = self.tokens, means.transpose(0, 1).contiguous()
        return self._coarse[1]

    def fine(self, blocks: Tensor) -> Tensor:
        """The fine means of coarse blocks `[n]`, sorted: `[Hkv, n * COARSE / FINE, D]`."""
        if self._fine is None or self._fine[0] != self.tokens:  # a new map costs new page faults
            self._fine = self.tokens, self._maps(0)
        rows = (blocks.unsqueeze(1) * (COARSE // FINE) + torch.arange(COARSE // FINE)).flatten()
        found, start = [], 0
        for part in self._fine[1]:
            stop = start + len(part)
            found.append(part[rows[(rows >= start) & (rows < stop)] - start])
            start = stop
        return torch.cat(found).transpose(0, 1).contiguous()

    def announce(self) -> None:
        """Has the kernel begin to read both files."""
        for rows in reversed(self.rows):
            rows.announce()

    def is_right(self, start: int, k_sgd: Tensor) -> bool:
        """Whether it says of the keys `[s, Hkv, D]` from token `start` on what they are."""
        for rows, size, means in zip(self.rows, SIZES, sketch_of(k_sgd), strict=True):
            data = memoryview(bytearray(means.nbytes))
            rows.read_into(data, start // size)
            if data != means.contiguous().view(torch.uint8).flatten().numpy().data:
                return False
        return True

    def held_bytes(self) -> int:
        """Bytes on disk."""
        return sketch_bytes(self.tokens, self.row_bytes)

    def _maps(self, level: int) -> list[Tensor]:
        """The files of one level, mapped, `[n, Hkv, D]` each."""
        maps, left = [torch.empty(0, dtype=DTYPE)], self.tokens // SIZES[level]
        for name, held in self.rows[level].names():
            rows = min(held, left)
            left -= rows
            if os.stat(name).st_size < rows * self.row_bytes:
                raise DamagedFileError(f"{name} ends early; ask again, and it is made again")
            count = rows * self.row_bytes // DTYPE.itemsize
            maps.append(torch.from_file(name, shared=False, size=count, dtype=DTYPE))
        return [x.view(-1, *self.shape) for x in maps]


def sketch_bytes(n_tokens: int, row_bytes: int) -> int:
    """Bytes that the index of `n_tokens` takes on disk."""
    whole = n_tokens // COARSE * COARSE
    return (whole // FINE + whole // COARSE) * row_bytes
