"""Infini-attention: a halo for the local part, then the memory as a fold of affine maps.

A part writes the segments that end in it, wherever segments began. Rules whose maps depend on the
sum of all keys before need that sum first: one exchange of a vector a head. Then each rank has its
part's map and addend, one exchange of two matrices a head.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from farspan.errors import RequestError
from farspan.mixers.base import AttentionMixer, Tokens
from farspan.mixers.infini import InfiniAttention, InfiniState, Memory
from farspan.mixers.infini.memory import Segments
from farspan.mixers.window.chunked import Kept, as_kept
from farspan.parallel.collectives import gather
from farspan.parallel.sequence.fold import gather_states
from farspan.parallel.sequence.kept import recent_before
from farspan.parallel.sequence.shards import Shards, untouched


def split_infini(
    shards: Shards, mixer: AttentionMixer, x_btc: Tensor, tokens: Tokens, state: InfiniState
) -> tuple[Tensor, InfiniState]:
    """Plain chunks alone: in packed rows every document would be a fold of its own."""
    assert isinstance(mixer, InfiniAttention)
    if not tokens.is_plain or tokens.times_bn is not None:
        raise RequestError(
            "infini layers are split over sequence ranks in plain rows alone: one document a row,"
            " no padding, no repeats; set the sequence axis of the mesh to 1"
        )
    q, k, v = mixer.project(x_btc, tokens)
    own = as_kept(k, v, tokens)
    q, recent, behind = recent_before(shards, q, own, state.recent, mixer.kept, plain=True)
    q, before, memory = _memories(shards, mixer, q, recent.cat(own), tokens, state.memory)
    after = InfiniState(memory, behind, state.document_b)
    if not x_btc.shape[1]:
        return untouched(mixer, mixer.out(q.flatten(2))), after
    y = mixer.attend(q, k, v, tokens, InfiniState(before, recent, state.document_b))[0]
    return mixer.out(y.flatten(2)), after


def _memories(
    shards: Shards,
    mixer: InfiniAttention,
    anchor: Tensor,
    seen: Kept,
    tokens: Tokens,
    memory: Memory,
) -> tuple[Tensor, Memory, Memory]:
    """The memory before this rank's part, and behind the whole chunk (with `keep`)."""
    rule = mixer.rule
    ended = _ended(mixer, seen, tokens)
    total = memory.total_bgd
    if rule.has_total:
        own = total * 0.0
        if ended is not None:
            with torch.autocast(anchor.device.type, enabled=False):
                own = rule.key_features(ended.k).sum((1, 2))
        anchor, totals = gather(anchor, own, shards.group)
        total = total + totals[: shards.rank].sum(0)
    part = rule.part(replace(memory, total_bgd=total))
    if ended is not None:
        part = rule.write(ended, part)[1]
    anchor, parts = gather_states(shards, anchor, part, fixed=True)
    for earlier in parts[: shards.rank]:
        memory = rule.merge(memory, earlier)
    before = memory
    for later in parts[shards.rank :] if shards.keep else []:
        memory = rule.merge(memory, later)
    return anchor, before, memory


def _ended(mixer: InfiniAttention, seen: Kept, tokens: Tokens) -> Segments | None:
    """The segments that end in this part; their first tokens may stand in the halo."""
    n_tokens, start, size = tokens.position_bt.shape[1], tokens.start, mixer.segment
    count = (start + n_tokens) // size - start // size
    if not count:
        return None
    first = seen.k_bshd.shape[1] - n_tokens - start % size
    return mixer.segments(seen, first, count * size, count)
