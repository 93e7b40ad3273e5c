"""Attention whose positions depend on the pair of query and key, tile by tile.

Keys come unturned. Each tile of queries and keys is turned once for every part of the pairs that it
holds, and the parts are joined through their log-sum-exps, so memory is that of one tile.
Axes: b batch, t query, s key, h head, d feature.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from farspan.mixers.attention import NOTHING, attention_with_lse, combine
from farspan.positions.base import ScorePart
from farspan.positions.rotary import Rotary, rotate

QUERY_TILE, KEY_TILE = 512, 1024


@dataclass(frozen=True)
class Turnable:
    """Tokens whose queries or keys, and values, `[B, S, ...]` are not turned yet.

    `place_bs` is the index in the sequence of keys, `rank_bs` counts valid tokens up to each.
    """

    x_bshd: Tensor
    v_bshd: Tensor
    position_bs: Tensor
    document_bs: Tensor
    place_bs: Tensor
    rank_bs: Tensor

    def slice(self, start: int, stop: int) -> Turnable:
        """Tokens `start` to `stop`."""
        return Turnable(*(getattr(self, field.name)[:, start:stop] for field in fields(self)))


def scored_attention(
    q_bthd: Tensor,
    k_bshd: Tensor,
    v_bshd: Tensor,
    position_bs: Tensor,
    document_bs: Tensor,
    rotary: Rotary,
    *,
    window: int | None = None,
) -> Tensor:
    """Each query sees the keys of its document up to itself, the last `window` if given.

    The queries belong to the last T of the S keys; -1 in `document_bs` is padding. Returns
    `[B, T, H, D]`, zero for a query that sees nothing. In training a tile is computed again for its
    gradient.
    """
    place = torch.arange(k_bshd.shape[1], device=k_bshd.device).expand(document_bs.shape)
    rank = (document_bs >= 0).cumsum(dim=1)
    keys = Turnable(k_bshd, v_bshd, position_bs, document_bs, place, rank)
    behind = k_bshd.shape[1] - q_bthd.shape[1]
    found = []
    for start in range(behind, k_bshd.shape[1], QUERY_TILE):
        stop = min(start + QUERY_TILE, k_bshd.shape[1])
        queries = replace(keys.slice(start, stop), x_bshd=q_bthd[:, start - behind : stop - behind])
        found.append(_query_tile(queries, keys.slice(0, stop), rotary, window))
    return torch.cat(found, dim=1)


def _query_tile(queries: Turnable, keys: Turnable, rotary: Rotary, window: int | None) -> Tensor:
    """One tile of queries over all keys that they may see."""
    assert rotary.scores is not None
    q, precise = queries.x_bshd, _precise(queries.x_bshd.dtype)  # many tiles are added up
    total = torch.zeros_like(q, dtype=precise), q.new_full(q.shape[:3], NOTHING, dtype=precise)
    training = torch.is_grad_enabled() and (q.requires_grad or keys.x_bshd.requires_grad)
    for first in range(0, keys.x_bshd.shape[1], KEY_TILE):
        tile = keys.slice(first, first + KEY_TILE)
        allowed = _allowed(queries, tile, window)
        pair = queries.position_bs.unsqueeze(2), tile.position_bs.unsqueeze(1)
        for part in rotary.scores.parts():
            mask = allowed & part.sees(*pair)
            if not mask.any():
                continue
            inputs = (part, rotary, queries, tile, mask)
            one = checkpoint(_tile, *inputs, use_reentrant=False) if training else _tile(*inputs)
            total = combine(total, one)
    return total[0].to(q.dtype)


def _tile(
    part: ScorePart, rotary: Rotary, queries: Turnable, tile: Turnable, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """One part of one tile: outputs and log-sum-exp."""
    assert rotary.scores is not None
    q, k, bias = queries.x_bshd, tile.x_bshd, None
    if rotary.scores.turns:
        q = rotate(q, rotary.table(part.query_place(queries.position_bs), q.dtype))
        k = rotate(k, rotary.table(part.key_place(tile.position_bs), k.dtype))
    slopes = rotary.scores.slopes(q.shape[2])
    if slopes is not None:
        slope = torch.tensor(slopes, device=q.device, dtype=_precise(q.dtype)).view(-1, 1, 1)
        distance = queries.position_bs.unsqueeze(2) - tile.position_bs.unsqueeze(1)
        bias = -slope * distance.unsqueeze(1)
    return attention_with_lse(q, k, tile.v_bshd, mask, bias)


def _allowed(queries: Turnable, tile: Turnable, window: int | None) -> Tensor:
    """`[B, T, S]`: same document, not later, fewer than `window` valid tokens back."""

    def pairs(name: str) -> tuple[Tensor, Tensor]:
        return getattr(queries, name).unsqueeze(2), getattr(tile, name).unsqueeze(1)

    (later, earlier), (own, other) = pairs("place_bs"), pairs("document_bs")
    mask = (earlier <= later) & (own == other) & (own >= 0)
    if window is not None:
        rank, before = pairs("rank_bs")
        mask &= rank - before < window
    return mask


def _precise(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
