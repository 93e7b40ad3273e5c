"""Exact attention of each query and head over a few blocks of keys of its own choice.

Queries that chose the same block are put together in tiles, so work is products of matrices, and
grows with what is chosen. The gradient is that of one softmax over all chosen keys (as in Dao et
al. 2022), so nothing of a tile is kept for it.
Axes: b row, t query, s key, h query head, g key-value head, n choice, m block, d feature, e choice
of any query and head, c tile, r row of a tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from farspan import compat
from farspan.mixers.attention import NOTHING

TILE = 128
"""Choices of one block that are computed together, at most."""
SCORES = 1 << 24
"""Scores that are computed at once, at most, which bounds the memory."""


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

    def there(self, n_blocks: int) -> Tensor:
        """Which of the first blocks hold any key `[M]`."""
        numbers = torch.arange(n_blocks + 1, device=self.place_s.device) + self.first
        return torch.searchsorted(self.place_s, numbers * self.size).diff() > 0

    def inside(self, block_m: Tensor) -> tuple[Tensor, Tensor]:
        """Indices of the tokens of each block `[M, size]`, and which of them there are."""
        begin = torch.searchsorted(self.place_s, (block_m + self.first) * self.size)
        index = begin.unsqueeze(1) + torch.arange(self.size, device=begin.device)
        there = index < len(self.place_s)
        index = index.clamp_max(len(self.place_s) - 1)
        return index, there & (self.block_of(self.place_s[index]) == block_m.unsqueeze(1))


def selected_attention(
    q_bthd: Tensor, keys: BlockKeys, own_t: Tensor, chosen_bthn: Tensor
) -> Tensor:
    """Each query sees the keys of its chosen blocks up to its own position; `[B, T, H, D]`.

    `own_t` holds the queries' positions, `chosen_bthn` distinct blocks, -1 for none; one of a
    query's blocks at least must hold a key that it may see.
    """
    tiles = _tiles(chosen_bthn, keys, own_t)
    y: Tensor = _Selected.apply(q_bthd, keys.k_bsgd, keys.v_bsgd, tiles)
    return y


@dataclass(frozen=True)
class _Tiles:
    """Choices put together by block.

    Of each tile: its row and key head, its keys `key_cs` and whether they are `there_cs`, and in
    each place the query that chose (b, t and h as one index), -1 where there is none. `place_en`
    tells where in the tiles the choices of each query went, -1 for none; `hidden_c` the tiles some
    of whose pairs are not seen.
    """

    row_c: Tensor
    head_c: Tensor
    key_cs: Tensor
    there_cs: Tensor
    query_cr: Tensor
    place_en: Tensor
    hidden_c: Tensor
    own_t: Tensor
    place_s: Tensor
    n_heads: int

    def groups(self) -> Iterator[tuple[Tensor, bool]]:
        """Indices of tiles that are computed at once, and whether they need a mask."""
        size = max(1, SCORES // (self.query_cr.shape[1] * self.key_cs.shape[1]))
        for hidden in (False, True):
            for part in (self.hidden_c == hidden).nonzero().squeeze(1).split(size):
                if len(part):
                    yield part, hidden

    def keys(self, part_c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Row, place and head of the keys of some tiles, which broadcast to `[C, S]`."""
        return self.row_c[part_c, None], self.key_cs[part_c], self.head_c[part_c, None]

    def mask(self, part_c: Tensor) -> Tensor:
        """`[C, R, S]`: keys that there are and that are not later; all, where nobody asks."""
        query, key = self.query_cr[part_c], self.key_cs[part_c]
        own = self.own_t[query.clamp_min(0) // self.n_heads % len(self.own_t)]
        sees = self.there_cs[part_c].unsqueeze(1) & (
            self.place_s[key].unsqueeze(1) <= own.unsqueeze(2)
        )
        return sees | (query < 0).unsqueeze(2)


def _tiles(chosen_bthn: Tensor, keys: BlockKeys, own_t: Tensor) -> _Tiles:
    n_rows, n_queries, n_heads, n_chosen = chosen_bthn.shape
    device, n_kv_heads = chosen_bthn.device, keys.k_bsgd.shape[2]
    n_blocks = int(chosen_bthn.max()) + 1
    group = n_heads // n_kv_heads
    row = torch.arange(n_rows, device=device).view(-1, 1, 1, 1)
    head = (torch.arange(n_heads, device=device) // group).view(1, 1, -1, 1)
    total = n_rows * n_kv_heads * n_blocks
    bucket = (row * n_kv_heads + head) * n_blocks + chosen_bthn
    bucket = torch.where(chosen_bthn < 0, total, bucket).flatten()
    bucket, order = bucket.sort(stable=True)
    counts = torch.bincount(bucket, minlength=total + 1)[:total]
    height = _height(int(counts.sum()), int((counts > 0).sum()))
    tiles = (counts + height - 1) // height
    ends, first = tiles.cumsum(0), counts.cumsum(0) - counts
    chosen = bucket < total
    order, bucket = order[chosen], bucket[chosen]
    rank = torch.arange(len(bucket), device=device) - first[bucket]
    place = (ends - tiles)[bucket] * height + rank
    query = torch.full((int(ends[-1]) * height,), -1, device=device)
    query[place] = order // n_chosen
    back = torch.full((chosen_bthn.numel(),), -1, device=device)
    back[order] = place
    of = torch.repeat_interleave(torch.arange(total, device=device), tiles)
    key, there = keys.inside(of % n_blocks)
    query = query.view(-1, height)
    own = own_t[query.clamp_min(0) // n_heads % n_queries]
    earliest = own.masked_fill(query < 0, torch.iinfo(own.dtype).max).amin(1)
    hidden = ~there.all(1) | (keys.place_s[key[:, -1]] > earliest)
    return _Tiles(
        of // n_blocks // n_kv_heads,
        of // n_blocks % n_kv_heads,
        key,
        there,
        query,
        back.view(-1, n_chosen),
        hidden,
        own_t,
        keys.place_s,
        n_heads,
    )


def _height(n_choices: int, n_buckets: int) -> int:
    """Rows of a tile: a power of two near the mean, so that few stay empty."""
    mean = n_choices / max(n_buckets, 1)
    height = 1
    while height < TILE and height < mean:
        height *= 2
    return height


class _Selected(torch.autograd.Function):
    """Tiles forward, joined through their log-sum-exps, and backward by the joint softmax."""

    @staticmethod
    def forward(ctx: Any, q_bthd: Tensor, k_bsgd: Tensor, v_bsgd: Tensor, tiles: _Tiles) -> Tensor:
        d = q_bthd.shape[-1]
        q = q_bthd.reshape(-1, d)
        precise = torch.promote_types(q.dtype, torch.float32)
        out = q.new_empty(*tiles.query_cr.shape, d)
        lse = q.new_empty(tiles.query_cr.shape, dtype=precise)
        for part, hidden in tiles.groups():
            mask = tiles.mask(part) if hidden else None
            query, where = tiles.query_cr[part].clamp_min(0), tiles.keys(part)
            found = compat.tile_attention(
                _rows(q, query), _keys(k_bsgd, *where), _keys(v_bsgd, *where), mask
            )
            out[part], lse[part] = found
        place, none = tiles.place_en.clamp_min(0), tiles.place_en < 0
        parts = lse.flatten()[place].masked_fill(none, NOTHING)
        total = parts.logsumexp(-1)
        weight = torch.exp(parts - total.unsqueeze(-1)).unsqueeze(1)
        y = (weight.to(out.dtype) @ _rows(out.flatten(0, 1), place)).squeeze(1)
        ctx.save_for_backward(q_bthd, k_bsgd, v_bsgd, y, total)
        ctx.tiles = tiles
        return y.view_as(q_bthd)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy_bthd: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q_bthd, k_bsgd, v_bsgd, y, total = ctx.saved_tensors
        tiles, d = ctx.tiles, q_bthd.shape[-1]
        q, dy = q_bthd.reshape(-1, d), dy_bthd.reshape(-1, d)
        dq, dk, dv = (
            torch.zeros(x.shape, dtype=total.dtype, device=x.device) for x in (q, k_bsgd, v_bsgd)
        )
        for part, hidden in tiles.groups():
            query = tiles.query_cr[part]
            nobody, query = query < 0, query.clamp_min(0)
            row, key, head = where = tiles.keys(part)
            found = compat.tile_attention_backward(
                _rows(dy, query).masked_fill(nobody.unsqueeze(-1), 0.0),
                _rows(q, query),
                _keys(k_bsgd, *where),
                _keys(v_bsgd, *where),
                _rows(y, query),
                total[query].masked_fill(nobody, -NOTHING),
                tiles.mask(part) if hidden else None,
            )
            slot = _place(k_bsgd, row, key, head)
            for whole, index, own in zip((dq, dk, dv), (query, slot, slot), found, strict=True):
                whole.view(-1, d).index_add_(0, index.flatten(), own.flatten(0, 1).to(whole.dtype))
        return dq.view_as(q_bthd).to(q.dtype), dk.to(k_bsgd.dtype), dv.to(v_bsgd.dtype), None


def _place(x_bsgd: Tensor, row: Tensor, key: Tensor, head: Tensor) -> Tensor:
    """The index of each row of features among all of them."""
    return (row * x_bsgd.shape[1] + key) * x_bsgd.shape[2] + head


def _keys(x_bsgd: Tensor, row: Tensor, key: Tensor, head: Tensor) -> Tensor:
    """Keys or values `[C, S, D]`; a store that is longer than what is seen is not copied for it."""
    if x_bsgd.is_contiguous():
        return _rows(x_bsgd.flatten(0, 2), _place(x_bsgd, row, key, head))
    return x_bsgd[row, key, head]


def _rows(x_nd: Tensor, index: Tensor) -> Tensor:
    """Rows by indices of any shape, faster than by square brackets."""
    return x_nd.index_select(0, index.flatten()).view(*index.shape, -1)
