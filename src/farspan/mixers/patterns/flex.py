"""Long plain chunks on CUDA by FlexAttention, over columns first and near keys behind them.

With the columns put together the visible pairs fill whole blocks of the kernel, and the table of
blocks is computed from positions, for some queries at a time.
Axes: b row, t query, s key, h head, d feature, i block of queries, m block of keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from farspan.mixers.patterns.pattern import Columns

BLOCK = 128
QUERIES = 1 << 16
"""Queries of one table of blocks, which has QUERIES / 128 rows."""
LEAST = 1024
"""Queries from which on the kernel is worth its start."""


@dataclass(frozen=True)
class Table:
    """The mask of some queries over keys `key_s`, which are columns where `far_s`, and its blocks.

    `some_im` tells the blocks of which any pair is seen, `every_im` those of which all are.
    """

    pattern: Columns
    query_t: Tensor
    key_s: Tensor
    far_s: Tensor
    some_im: Tensor
    every_im: Tensor

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        """Cells of the mask by the places of query and key."""
        own, other = self.query_t[query], self.key_s[key]
        first = self.pattern.near.first(own)
        near = (other >= first) & (other <= own)
        return torch.where(self.far_s[key], other < first, near)


def table(pattern: Columns, query_t: Tensor, far_s: Tensor, near_s: Tensor) -> Table:
    """The table of consecutive queries over columns and near keys, all of them sorted positions."""
    key = torch.cat((far_s, near_s))
    n_far, device = len(far_s), query_t.device
    starts = query_t[::BLOCK].contiguous()
    ends = torch.cat((starts[1:] - 1, query_t[-1:]))
    begin = torch.arange(0, len(key), BLOCK, device=device)
    stop = (begin + BLOCK).clamp_max(len(key))

    def blocks(far: Tensor, first: Tensor, last: Tensor, whole: bool) -> Tensor:
        """Blocks that touch, or lie in, the first `far` keys or near keys from first to last."""
        far, first, last = (x.unsqueeze(1) for x in (far, first + n_far, last + n_far))
        if whole:
            return (stop <= far) | ((begin >= first) & (stop <= last))
        return (begin < far) | ((stop > first) & (begin < last))

    near = pattern.near.first
    found = [
        blocks(
            torch.searchsorted(far_s, near(one)),
            torch.searchsorted(near_s, near(other)),
            torch.searchsorted(near_s, upto, right=True),
            whole,
        )
        for one, other, upto, whole in ((ends, starts, ends, False), (starts, ends, starts, True))
    ]
    return Table(pattern, query_t, key, torch.arange(len(key), device=device) < n_far, *found)


def flex_columns(
    q_bthd: Tensor, k_bshd: Tensor, v_bshd: Tensor, place_s: Tensor, pattern: Columns
) -> Tensor:
    """The last T of the seen tokens attend by the pattern; `[B, T, H, D]`.

    `place_s`, on the CPU, holds the positions of the seen tokens.
    """
    n_queries, device = q_bthd.shape[1], q_bthd.device
    own = place_s[len(place_s) - n_queries :]
    far = pattern.far.has(place_s).nonzero().squeeze(1)
    parts = []
    for start in range(0, n_queries, QUERIES):
        query = own[start : start + QUERIES]
        border = pattern.near.first(query[[0, -1]])
        columns = far[place_s[far] < border[1]]
        near = ((place_s >= border[0]) & (place_s <= query[-1])).nonzero().squeeze(1)
        index = torch.cat((columns, near)).to(device)
        places = (x.to(device) for x in (query, place_s[columns], place_s[near]))
        q = q_bthd[:, start : start + QUERIES]
        k, v = (x.index_select(1, index) for x in (k_bshd, v_bshd))
        parts.append(_attend(q, k, v, table(pattern, *places)))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _attend(q: Tensor, k: Tensor, v: Tensor, cells: Table) -> Tensor:
    from torch.nn.attention.flex_attention import BlockMask

    count, number = _listed(cells.some_im & ~cells.every_im)
    whole_count, whole_number = _listed(cells.every_im)
    mask = BlockMask.from_kv_blocks(
        count,
        number,
        whole_count,
        whole_number,
        BLOCK_SIZE=BLOCK,
        mask_mod=lambda b, h, query, key: cells.sees(query, key),
        seq_lengths=(q.shape[1], k.shape[1]),
    )
    inputs = (x.transpose(1, 2) for x in (q, k, v))
    out = _flex(q.is_cuda)(*inputs, block_mask=mask, enable_gqa=q.shape[2] != k.shape[2])
    return out.transpose(1, 2)


def _listed(blocks_im: Tensor) -> tuple[Tensor, Tensor]:
    """How many blocks each row of queries has, and their numbers first in a row of all."""
    order = blocks_im.int().argsort(dim=-1, descending=True, stable=True)
    return blocks_im.sum(-1, dtype=torch.int32)[None, None], order.int()[None, None]


@cache
def _flex(compiled: bool) -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    kernel: Any = torch.compile(flex_attention) if compiled else flex_attention
    return kernel
