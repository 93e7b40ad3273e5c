"""Packed and padded chunks as runs of one document each, for mixers that go by position.

Axes: b row, t token of the chunk, s kept or seen token, h head, d feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from farspan.mixers.window.chunked import Kept


@dataclass(frozen=True)
class Run:
    """One document of one row: `seen` holds its earlier tokens and those of the chunk.

    `inside_t` marks the chunk's tokens that belong to it.
    """

    row: int
    inside_t: Tensor
    seen: Kept


def document_runs(before: Kept, chunk: Kept) -> Iterator[Run]:
    """The documents of each row in order, padding left out."""
    for b in range(chunk.document_bs.shape[0]):
        kept, own = (_row(x, b) for x in (before, chunk))
        for name in dict.fromkeys(x for x in own.document_bs[0].tolist() if x >= 0):
            inside = own.document_bs[0] == name
            earlier = _select(kept, kept.document_bs[0] == name)
            yield Run(b, inside, earlier.cat(_select(own, inside)))


def without_padding(kept: Kept, row: int) -> Kept:
    """The tokens that one row keeps."""
    one = _row(kept, row)
    return _select(one, one.document_bs[0] >= 0)


def stack_rows(rows: list[Kept]) -> Kept:
    """Rows of different lengths, filled up with padding in front."""
    longest = max(row.k_bshd.shape[1] for row in rows)

    def joined(name: str, padding: int = 0) -> Tensor:
        fields = [getattr(row, name) for row in rows]
        return torch.cat(
            [
                torch.cat((x.new_full((1, longest - x.shape[1], *x.shape[2:]), padding), x), dim=1)
                for x in fields
            ]
        )

    return Kept(
        joined("k_bshd"), joined("v_bshd"), joined("position_bs"), joined("document_bs", -1)
    )


def _row(kept: Kept, b: int) -> Kept:
    return kept.each(lambda x: x[b : b + 1])


def _select(kept: Kept, which_s: Tensor) -> Kept:
    return kept.each(lambda x: x[:, which_s])
