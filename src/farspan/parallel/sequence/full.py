"""Full attention: keys and values from all ranks, queries shared out so that all work alike.

A query of the last part sees n times the keys of one in the first. So ranks r and n - 1 - r swap
the second halves of their queries, attend, and swap the results back: each then has as many pairs
of query and key as any other, while every mixer sees the same consecutive parts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from farspan.memory.store import MemoryStore
from farspan.mixers.base import AttentionMixer, Tokens
from farspan.mixers.full import FullAttention, FullState
from farspan.mixers.window.chunked import Kept, as_kept
from farspan.parallel.collectives import exchange, gather
from farspan.parallel.sequence.kept import gather_kept
from farspan.parallel.sequence.queries import attend_shared
from farspan.parallel.sequence.shards import Shards, untouched

FEW = 8
"""Where earlier keys are more than this many times the queries, queries travel and keys stay."""


@dataclass(frozen=True)
class _Keys:
    """Keys of all ranks in one row: `behind` of earlier chunks, then the chunk's in order."""

    kept: Kept
    behind: int

    def part(self, start: int, stop: int) -> Kept:
        """Tokens of the chunk, or with a negative start all that stand before them."""
        first = 0 if start < 0 else self.behind + start
        return self.kept.each(lambda x: x[:, first : self.behind + stop])


def split_full(
    shards: Shards, mixer: AttentionMixer, x_btc: Tensor, tokens: Tokens, state: FullState
) -> tuple[Tensor, FullState]:
    """Balanced causal work over gathered keys; queries travel instead where they are few."""
    assert isinstance(mixer, FullAttention)
    q, k, v = mixer.project(x_btc, tokens)
    own = as_kept(k, v, tokens)
    after = _appended(state, own)
    stored = _stored(shards, state)
    if sum(stored) > FEW * sum(shards.lengths) and state.position_bs is None:
        if mixer.temperature is not None:
            q = mixer.temperature.sharpen(q, tokens.position_bt)
        y = attend_shared(shards, q, tokens, after.store, after.document_bs)
    else:
        q, keys = _gather_keys(shards, q, state, own, stored)
        y = _balanced(shards, mixer, q, tokens, keys)
    y = mixer.out(y.flatten(2))
    return y if x_btc.shape[1] else untouched(mixer, y), after


def _appended(state: FullState, own: Kept) -> FullState:
    document = torch.cat((state.document_bs, own.document_bs), dim=1)
    position = state.position_bs
    if position is not None:
        position = torch.cat((position, own.position_bs), dim=1)
    return FullState(state.store.append(own.k_bshd, own.v_bshd), document, position)


def _stored(shards: Shards, state: FullState) -> list[int]:
    """How many tokens of earlier chunks each rank has."""
    if not shards.continues:
        return [0] * shards.size
    length = torch.tensor([state.store.length], device=state.document_bs.device)
    return gather(length, length, shards.group)[1].flatten().tolist()


def _gather_keys(
    shards: Shards, anchor: Tensor, state: FullState, own: Kept, stored: list[int]
) -> tuple[Tensor, _Keys]:
    """Keys of all ranks. The order of earlier chunks' does not matter: all of them are seen."""
    parts: list[Kept] = []
    if sum(stored):
        place = state.position_bs
        if place is None:
            place = torch.zeros_like(state.document_bs)
        share = Kept(state.store.k_bshd, state.store.v_bshd, place, state.document_bs)
        anchor, parts = gather_kept(shards, anchor, share, tuple(stored))
    anchor, chunk = gather_kept(shards, anchor, own, shards.lengths)
    joined = (parts + chunk)[0]
    for part in (parts + chunk)[1:]:
        joined = joined.cat(part)
    return anchor, _Keys(joined, sum(stored))


def _balanced(
    shards: Shards, mixer: FullAttention, q_bthd: Tensor, tokens: Tokens, keys: _Keys
) -> Tensor:
    """Outputs of this rank's queries, half of them computed by its partner."""
    partner = shards.size - 1 - shards.rank
    halves = [-(-length // 2) for length in shards.lengths]
    rests = [length - half for length, half in zip(shards.lengths, halves, strict=True)]
    half, start, theirs = halves[shards.rank], shards.edges[shards.rank], shards.edges[partner]
    anchor, second = _swap(shards, q_bthd, q_bthd[:, half:], partner, rests[partner])
    first = _attend_piece(mixer, anchor[:, :half], start, keys, tokens)
    second = _attend_piece(mixer, second, theirs + halves[partner], keys, tokens)
    first, second = _swap(shards, first, second, partner, rests[shards.rank])
    return torch.cat((first, second), dim=1)


def _attend_piece(
    mixer: FullAttention, q_bthd: Tensor, start: int, keys: _Keys, tokens: Tokens
) -> Tensor:
    """Queries that begin at `start` of the chunk over all keys up to each."""
    length = q_bthd.shape[1]
    if not length:
        return q_bthd
    before, own = keys.part(-1, start), keys.part(start, start + length)
    by_pair = before.position_bs if mixer.by_pair else None
    state = FullState(MemoryStore(before.k_bshd, before.v_bshd), before.document_bs, by_pair)
    read = torch.zeros_like(own.document_bs, dtype=torch.bool)
    first_asked = length if tokens.is_plain else None
    piece = Tokens(own.position_bs, own.document_bs, read, first_asked)
    return mixer.attend(q_bthd, own.k_bshd, own.v_bshd, piece, state)[0]


def _swap(
    shards: Shards, anchor: Tensor, x_bthd: Tensor, partner: int, size: int
) -> tuple[Tensor, Tensor]:
    """Gives `x` to the partner and takes `size` tokens of it."""
    pieces = [x_bthd if other == partner else x_bthd[:, :0] for other in range(shards.size)]
    batch, _, *rest = x_bthd.shape
    sizes = [size if other == partner else 0 for other in range(shards.size)]
    anchor, came = exchange(anchor, pieces, [(batch, s, *rest) for s in sizes], shards.group)
    return anchor, came[partner]
