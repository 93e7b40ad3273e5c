"""Few queries, many keys: queries go to all ranks, each attends over its own keys, results join.

What travels grows with the queries and not with the stores, and every rank has as much work as it
has keys. Axes: b row, t query, s stored key, h head, d feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from farspan.memory.store import KeyValueStore
from farspan.mixers.attention import NOTHING, attention_with_lse, combine
from farspan.mixers.base import Tokens
from farspan.parallel.collectives import exchange, gather_ragged
from farspan.parallel.sequence.shards import Shards

KEY_BLOCK = 4096  # Keys whose scores are held at once.


@dataclass(frozen=True)
class _Queries:
    """Queries of all ranks, their place in the chunk and, where not plain, their document."""

    q_bthd: Tensor
    place_bt: Tensor
    document_bt: Tensor | None


def attend_shared(
    shards: Shards,
    q_bthd: Tensor,
    tokens: Tokens,
    store: KeyValueStore,
    document_bs: Tensor | None,
    lengths: Sequence[int] | None = None,
) -> Tensor:
    """Attention of this rank's last queries over the stores of all ranks, causal, `[B, T, H, D]`.

    `store` is this rank's share, the chunk's own keys last; `lengths` are the queries of each
    rank, the last of its tokens, by default all of them.
    """
    lengths = shards.lengths if lengths is None else tuple(lengths)
    q_bthd, queries = _gather_queries(shards, q_bthd, tokens, lengths)
    own = shards.lengths[shards.rank]
    first = shards.edges[shards.rank]
    key_place = torch.arange(store.length, device=q_bthd.device) - (store.length - own) + first
    key_place = torch.where(key_place < first, -1, key_place)
    found = _attend_own(queries, store, key_place, document_bs)
    pieces = list(found.split(list(lengths), dim=1))
    shape = (q_bthd.shape[0], lengths[shards.rank], *found.shape[2:])
    _, came = exchange(q_bthd, pieces, [shape] * shards.size, shards.group)
    total = came[0][..., :-1], came[0][..., -1]
    for part in came[1:]:
        total = combine(total, (part[..., :-1], part[..., -1]))
    return total[0].to(q_bthd.dtype)


def _gather_queries(
    shards: Shards, q_bthd: Tensor, tokens: Tokens, lengths: Sequence[int]
) -> tuple[Tensor, _Queries]:
    q_bthd, every = gather_ragged(q_bthd, q_bthd, lengths, shards.group)
    places = [
        torch.arange(stop - length, stop, device=q_bthd.device)
        for stop, length in zip(shards.edges[1:], lengths, strict=True)
    ]
    place = torch.cat(places).expand(q_bthd.shape[0], -1)
    document = None
    if not tokens.is_plain:
        own = tokens.document_bt[:, tokens.document_bt.shape[1] - q_bthd.shape[1] :]
        parts = gather_ragged(q_bthd.detach(), own.contiguous(), lengths, shards.group)[1]
        document = torch.cat(parts, dim=1)
    return q_bthd, _Queries(torch.cat(every, dim=1), place, document)


def _attend_own(
    queries: _Queries, store: KeyValueStore, key_place: Tensor, document_bs: Tensor | None
) -> Tensor:
    """`[B, T, H, D + 1]`: outputs over one share, and behind them the log-sum-exps."""
    q = queries.q_bthd
    precise = torch.promote_types(q.dtype, torch.float32)
    total = q.to(precise) * 0.0, q.new_full(q.shape[:3], NOTHING, dtype=precise)
    for start, k in store.keys(KEY_BLOCK):
        stop = start + k.shape[1]
        v = store.values(start, stop)
        mask = key_place[start:stop] <= queries.place_bt.unsqueeze(2)
        if queries.document_bt is not None:
            assert document_bs is not None, "packed rows know their documents"
            same = queries.document_bt.unsqueeze(2) == document_bs[:, None, start:stop]
            mask = mask & same & (queries.document_bt >= 0).unsqueeze(2)
        if torch.is_grad_enabled() and (q.requires_grad or k.requires_grad):
            part = checkpoint(attention_with_lse, q, k, v, mask, use_reentrant=False)
        else:
            part = attention_with_lse(q, k.to(q), v.to(q), mask)
        total = combine(total, part)
    return torch.cat((total[0], total[1].unsqueeze(-1)), dim=-1)
