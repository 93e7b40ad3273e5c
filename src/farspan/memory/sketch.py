"""The index of a store on disk: mean keys of small blocks, written as tokens are appended.

Two files of bfloat16 `[Hkv, D]` rows lie beside a store: `NAME.fine`, the mean of every `FINE`
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
from farspan.files import told_if_full

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


class Sketch:
    """The open files of one store's index; `tokens` of the store are covered.

    `stem` is that of the store, `shape` its `(Hkv, D)`.
    """

    def __init__(self, stem: Path, shape: tuple[int, int]) -> None:
        self.stem = stem
        self.shape = shape
        self.row_bytes = shape[0] * shape[1] * DTYPE.itemsize
        self.descriptors = tuple(
            os.open(f"{stem}.{suffix}", os.O_RDWR | os.O_CREAT, 0o600) for suffix in SUFFIXES
        )
        self.tokens = 0
        self._coarse: tuple[int, Tensor] | None = None
        self._fine: tuple[int, Tensor] | None = None

    def __del__(self) -> None:
        for descriptor in getattr(self, "descriptors", ()):
            os.close(descriptor)

    def covered(self) -> int:
        """Tokens that the files on disk cover, whole blocks only."""
        sizes = (os.fstat(descriptor).st_size for descriptor in self.descriptors)
        blocks = [n // self.row_bytes * size for n, size in zip(sizes, SIZES, strict=True)]
        return min(blocks) // COARSE * COARSE

    def cut(self, length: int) -> bool:
        """Drops what covers tokens from `length` on; False if the files cover less than it."""
        self.tokens = min(self.covered(), length // COARSE * COARSE)
        for descriptor, size in zip(self.descriptors, SIZES, strict=True):
            os.ftruncate(descriptor, self.tokens // size * self.row_bytes)
        return self.tokens == length // COARSE * COARSE

    def append(self, k_sgd: Tensor) -> None:
        """Covers the next keys `[s, Hkv, D]`, whole coarse blocks of them."""
        assert k_sgd.shape[0] % COARSE == 0, "only complete blocks are indexed"
        fine = pair_means(k_sgd.to(DTYPE), FINE)
        coarse = pair_means(fine, COARSE // FINE)
        with told_if_full(self.stem.parent):
            for descriptor, size, rows in zip(self.descriptors, SIZES, (fine, coarse), strict=True):
                data = rows.to(DTYPE).contiguous().view(torch.uint8).flatten().numpy().data
                offset = self.tokens // size * self.row_bytes
                while data:
                    done = os.pwrite(descriptor, data, offset)
                    data, offset = data[done:], offset + done
        self.tokens += k_sgd.shape[0]

    def coarse(self) -> Tensor:
        """All coarse means `[Hkv, n, D]`, read once and kept."""
        if self._coarse is None or self._coarse[0] != self.tokens:
            self._coarse = self.tokens, self._map(1).transpose(0, 1).contiguous()
        return self._coarse[1]

    def fine(self, blocks: Tensor) -> Tensor:
        """The fine means of coarse blocks `[n]`: `[Hkv, n * COARSE / FINE, D]`."""
        if self._fine is None or self._fine[0] != self.tokens:  # a new map costs new page faults
            self._fine = self.tokens, self._map(0).unflatten(0, (-1, COARSE // FINE))
        return self._fine[1][blocks].flatten(0, 1).transpose(0, 1).contiguous()

    def announce(self) -> None:
        """Has the kernel begin to read both files."""
        if hasattr(os, "posix_fadvise"):
            for descriptor in reversed(self.descriptors):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)

    def held_bytes(self) -> int:
        """Bytes on disk."""
        return sketch_bytes(self.tokens, self.row_bytes)

    def _map(self, level: int) -> Tensor:
        name = f"{self.stem}.{SUFFIXES[level]}"
        count = self.tokens // SIZES[level] * self.row_bytes // DTYPE.itemsize
        if os.fstat(self.descriptors[level]).st_size < count * DTYPE.itemsize:
            raise DamagedFileError(f"{name} ends early; ask again, and it is made again")
        rows = torch.from_file(name, shared=False, size=count, dtype=DTYPE)
        return rows.view(-1, *self.shape)


def sketch_bytes(n_tokens: int, row_bytes: int) -> int:
    """Bytes that the index of `n_tokens` takes on disk."""
    whole = n_tokens // COARSE * COARSE
    return (whole // FINE + whole // COARSE) * row_bytes
