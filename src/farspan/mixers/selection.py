"""Exact attention of each query and head over a few blocks of keys of its own choice.

Queries that chose the same block are put together in tiles, so work is products of matrices, and
grows with what is chosen.
Axes: b row, t query, s key, h query head, g key-value head, n choice, m block, d feature, r row of
a tile.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from farspan.mixers.attention import NOTHING

TILE = 64
"""Choices of one block that are computed together."""


@dataclass(frozen=True)
class BlockKeys:
    """Keys and values `[B, S, G, D]` by blocks of `size` positions; all rows share `place_s`.

    Blocks lie at multiples of the size and are counted from the one that holds the first key.
    """

    k_bsgd: Tensor
    v_bsgd: Tensor
    place_s: Tensor
    size: int

    @property
    def first(self) -> Tensor:
        """The document's number of the block that holds the first key."""
        return self.place_s[0] // self.size

    def block_of(self, position: Tensor) -> Tensor:
        """The blocks that positions lie in."""
        return position // self.size - self.first

    def inside(self, block_m: Tensor) -> tuple[Tensor, Tensor]:
        """Indices of the tokens of each block `[M, size]`, and which of them there are."""
        begin = torch.searchsorted(self.place_s, (block_m + self.first) * self.size)
        index = begin.unsqueeze(1) + torch.arange(self.size, device=begin.device)
        there = index < len(self.place_s)
        index = index.clamp_max(len(self.place_s) - 1)
        return index, there & (self.block_of(self.place_s[index]) == block_m.unsqueeze(1))


@dataclass(frozen=True)
class _Tiles:
    """Choices put together by block: of each tile its row, head and block, and its choices.

    `choice_cr` tells the choice in each place of a tile, 0 where there is none; `place_e` where in
    the tiles a choice went, -1 for none.
    """

    row_c: Tensor
    head_c: Tensor
    block_c: Tensor
    choice_cr: Tensor
    place_e: Tensor


def selected_attention(
    q_bthd: Tensor, keys: BlockKeys, own_t: Tensor, chosen_bthn: Tensor
) -> Tensor:
    """Each query sees the keys of its chosen blocks up to its own position; `[B, T, H, D]`.

    `own_t` holds the queries' positions, `chosen_bthn` distinct blocks, -1 for none; one of a
    query's blocks at least must hold a key that it may see.
    """
    n_heads, d, n_chosen = *q_bthd.shape[2:], chosen_bthn.shape[-1]
    tiles = _tiles(chosen_bthn, keys.k_bsgd.shape[2])
    query = tiles.choice_cr // n_chosen
    own = own_t[query // n_heads % q_bthd.shape[1]]
    q = q_bthd.reshape(-1, d)[query.flatten()].view(*query.shape, d) * d**-0.5
    index, there = keys.inside(tiles.block_c)
    where = tiles.row_c.unsqueeze(1), index, tiles.head_c.unsqueeze(1)
    k, v = keys.k_bsgd[where], keys.v_bsgd[where]
    score = torch.bmm(q, k.transpose(1, 2))
    score = score.to(torch.promote_types(score.dtype, torch.float32))
    sees = there.unsqueeze(1) & (keys.place_s[index].unsqueeze(1) <= own.unsqueeze(2))
    score = score.masked_fill(~sees, NOTHING)  # finite: places without a choice see nothing
    lse = score.logsumexp(-1)
    out = torch.bmm(torch.exp(score - lse.unsqueeze(-1)).to(v.dtype), v)
    return _joined(out.flatten(0, 1), lse.flatten(), tiles, n_chosen).view_as(q_bthd)


def _tiles(chosen_bthn: Tensor, n_kv_heads: int) -> _Tiles:
    n_rows, n_queries, n_heads, _ = chosen_bthn.shape
    device = chosen_bthn.device
    n_blocks = int(chosen_bthn.max()) + 1
    group = n_heads // n_kv_heads
    height = min(TILE, n_queries * group)
    row = torch.arange(n_rows, device=device).view(-1, 1, 1, 1)
    head = (torch.arange(n_heads, device=device) // group).view(1, 1, -1, 1)
    total = n_rows * n_kv_heads * n_blocks
    bucket = (row * n_kv_heads + head) * n_blocks + chosen_bthn
    bucket = torch.where(chosen_bthn < 0, total, bucket).flatten()
    bucket, order = bucket.sort(stable=True)
    counts = torch.bincount(bucket, minlength=total + 1)[:total]
    tiles = (counts + height - 1) // height
    ends, first = tiles.cumsum(0), counts.cumsum(0) - counts
    valid = bucket < total
    order, bucket = order[valid], bucket[valid]
    rank = torch.arange(len(bucket), device=device) - first[bucket]
    place = (ends - tiles)[bucket] * height + rank
    n_tiles = int(ends[-1])
    choice = torch.zeros(n_tiles * height, dtype=torch.long, device=device)
    choice[place] = order
    back = torch.full((chosen_bthn.numel(),), -1, device=device)
    back[order] = place
    of = torch.repeat_interleave(torch.arange(total, device=device), tiles)
    return _Tiles(
        of // n_blocks // n_kv_heads,
        of // n_blocks % n_kv_heads,
        of % n_blocks,
        choice.view(n_tiles, height),
        back,
    )


def _joined(out_ed: Tensor, lse_e: Tensor, tiles: _Tiles, n_chosen: int) -> Tensor:
    """Each query's choices joined through their log-sum-exps."""
    place = tiles.place_e.clamp_min(0).view(-1, n_chosen)
    none = tiles.place_e.view(-1, n_chosen) < 0
    weight = lse_e[place].masked_fill(none, NOTHING).softmax(-1)
    parts = out_ed[place.flatten()].view(*place.shape, -1)
    return (weight.unsqueeze(1).to(parts.dtype) @ parts).squeeze(1)
