"""The index of a store on disk: mean keys of small blocks, written as tokens are appended.

Bfloat16 rows `[Hkv, D]` lie beside a store in `NAME.means`, one for every `BLOCK` keys. Only
complete blocks are written, at places that depend on nothing but their tokens, so however reading
is cut or interrupted, the files agree.

Axes: n block, s key, g key-value head, d feature.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from farspan.errors import DamagedFileError
from farspan.memory.rows import Rows

BLOCK = 4
"""Keys a mean. In larger blocks a key that stands out drowns (docs/log.md)."""

DTYPE = torch.bfloat16
SUFFIX = "means"


def block_means(k_sgd: Tensor) -> Tensor:
    """Means of every `BLOCK` keys, bfloat16, summed pairwise.

    Halving in a fixed order gives the same bits however many blocks are done at once.
    """
    total = k_sgd.to(DTYPE).float()
    for _ in range(BLOCK.bit_length() - 1):
        total = total[0::2] + total[1::2]
    return (total / BLOCK).to(DTYPE).contiguous()


class Sketch:
    """The rows of one store's index; `tokens` of the store are covered, at most `length`.

    `stem` is that of the store, `shape` its `(Hkv, D)`.
    """

    def __init__(self, stem: Path, shape: tuple[int, int], length: int = 0) -> None:
        self.shape = shape
        self.row_bytes = shape[0] * shape[1] * DTYPE.itemsize
        self.rows = Rows(Path(f"{stem}.{SUFFIX}"), self.row_bytes)
        self.tokens = min(self.rows.length * BLOCK, length // BLOCK * BLOCK)
        self._mapped: tuple[int, list[Tensor]] | None = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The open files, to be brought to disk."""
        return self.rows.descriptors

    def cut(self, length: int) -> None:
        """Drops what covers tokens from `length` on."""
        self.tokens = min(self.tokens, length // BLOCK * BLOCK)
        self.rows.cut(self.tokens // BLOCK)

    def append(self, k_sgd: Tensor) -> None:
        """Covers the next keys `[s, Hkv, D]`, whole blocks of them."""
        assert k_sgd.shape[0] % BLOCK == 0, "only complete blocks are indexed"
        if self.rows.length != self.tokens // BLOCK:
            self.cut(self.tokens)
        self.rows.append(_bytes(block_means(k_sgd)))
        self.tokens += k_sgd.shape[0]

    def means(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """At most `size` means `[Hkv, n, D]` at a time, each with its first block's number."""
        first = 0
        for part in self._maps():
            for start in range(0, len(part), size):
                yield first + start, part[start : start + size].transpose(0, 1)
            first += len(part)

    def announce(self) -> None:
        """Has the kernel begin to read the files."""
        self.rows.announce()

    def is_right(self, start: int, k_sgd: Tensor) -> bool:
        """Whether it says of the keys `[s, Hkv, D]` from token `start` on what they are."""
        means = block_means(k_sgd)
        data = memoryview(bytearray(means.nbytes))
        self.rows.read_into(data, start // BLOCK)
        return data == _bytes(means)

    def held_bytes(self) -> int:
        """Bytes on disk."""
        return sketch_bytes(self.tokens, self.row_bytes)

    def _maps(self) -> list[Tensor]:
        """The files, mapped, `[n, Hkv, D]` each; a new map would cost new page faults."""
        if self._mapped is not None and self._mapped[0] == self.tokens:
            return self._mapped[1]
        maps, left = [], self.tokens // BLOCK
        for name, held in self.rows.names():
            rows = min(held, left)
            left -= rows
            if os.stat(name).st_size < rows * self.row_bytes:
                raise DamagedFileError(f"{name} ends early; ask again, and it is made again")
            count = rows * self.row_bytes // DTYPE.itemsize
            flat = torch.from_file(name, shared=False, size=count, dtype=DTYPE)
            maps.append(flat.view(-1, *self.shape))
        self._mapped = self.tokens, maps
        return maps


def sketch_bytes(n_tokens: int, row_bytes: int) -> int:
    """Bytes that the index of `n_tokens` takes on disk."""
    return n_tokens // BLOCK * row_bytes


def _bytes(rows: Tensor) -> memoryview:
    return rows.view(torch.uint8).flatten().numpy().data
