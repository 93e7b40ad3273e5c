"""Recall layers: read tokens get their window by a halo, asked ones go to the stores."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from farspan.memory.store import MemoryStore
from farspan.mixers.base import AttentionMixer, Tokens
from farspan.mixers.recall import RecallAttention, RecallState
from farspan.mixers.window.chunked import Kept, as_kept
from farspan.parallel.sequence.kept import recent_before
from farspan.parallel.sequence.queries import attend_shared
from farspan.parallel.sequence.shards import Shards, untouched


def split_recall(
    shards: Shards, mixer: AttentionMixer, x_btc: Tensor, tokens: Tokens, state: RecallState
) -> tuple[Tensor, RecallState]:
    """Each rank's store holds its own share of the tokens, and stays there."""
    assert isinstance(mixer, RecallAttention)
    q, k, v = mixer.project(x_btc, tokens)
    own = as_kept(k, v, tokens)
    q, recent, behind = recent_before(
        shards, q, own, state.recent, mixer.window - 1, tokens.is_plain
    )
    after = replace(mixer.write(k, v, tokens, state), recent=behind)
    if tokens.is_plain:
        y = _plain(shards, mixer, (q, k, v), tokens, recent, after)
    else:
        read = _read(mixer, (q, k, v), replace(tokens, asked_bt=tokens.asked_bt & False), recent)
        asked = attend_shared(
            shards, mixer.sharpen(q, tokens), tokens, after.store, after.document_bs
        )
        y = torch.where(tokens.asked_bt[:, :, None, None], asked, read)
    y = mixer.out(y.flatten(2))
    return y if x_btc.shape[1] else untouched(mixer, y), after


def _plain(
    shards: Shards,
    mixer: RecallAttention,
    qkv: tuple[Tensor, Tensor, Tensor],
    tokens: Tokens,
    recent: Kept,
    after: RecallState,
) -> Tensor:
    """Read tokens, then asked ones if any rank has some."""
    first, q = tokens.first_asked, qkv[0]
    assert first is not None and shards.first_asked is not None
    y = q[:, :0]
    if first:
        q_, k, v = (x[:, :first] for x in qkv)
        y = _read(mixer, (q_, k, v), tokens.slice(0, first), recent)
    if shards.nothing_asked:
        return y
    pairs = zip(shards.lengths, shards.first_asked, strict=True)
    lengths = [length - start for length, start in pairs]
    asked = mixer.sharpen(q, tokens)[:, first:]
    rest = tokens.slice(first, q.shape[1])
    found = attend_shared(shards, asked, rest, after.store, after.document_bs, lengths)
    return torch.cat((y, found), dim=1)


def _read(
    mixer: RecallAttention, qkv: tuple[Tensor, Tensor, Tensor], tokens: Tokens, recent: Kept
) -> Tensor:
    """Read tokens over their window."""
    if not qkv[0].shape[1]:
        return qkv[0]
    store = MemoryStore(recent.k_bshd, recent.v_bshd)
    state = RecallState(store, recent, recent.position_bs, recent.document_bs)
    return mixer.attend(*qkv, tokens, state)[0]
