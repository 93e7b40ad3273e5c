"""Heads with patterns of their own by their explicit masks, token by token."""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.base import AttentionMixer, Tokens
from farspan.mixers.full import FullAttention
from farspan.mixers.heads.chunked import HeadsAttention
from farspan.mixers.naive import assemble, mix_one, raw_projections, turn, visible
from farspan.mixers.patterns.chunked import PatternAttention
from farspan.mixers.patterns.naive import naive_sees
from farspan.mixers.window import WindowAttention


def naive_heads(mixer: HeadsAttention, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence; parts are full, window or patterns."""
    q, k, v = raw_projections(mixer, x_btc)
    group = mixer.shape.n_heads // mixer.shape.n_kv_heads
    rows: list[list[Tensor | None]] = []
    for b in range(x_btc.shape[0]):
        place = tokens.position_bt[b].tolist()
        row: list[Tensor | None] = []
        for t in range(x_btc.shape[1]):
            seen = visible(tokens, b, t)
            outputs, first = [], 0
            for part, size in zip(mixer.mixers, mixer.sizes, strict=True):
                kv = slice(first, first + size)
                heads = slice(first * group, (first + size) * group)
                first += size
                own = [s for i, s in enumerate(seen) if _sees(part, place, t, s, len(seen) - i)]
                if own:
                    keys = torch.stack([turn(part, k[b, s, kv], place[s]) for s in own])
                    query = turn(part, q[b, t, heads], place[t])
                    outputs.append(mix_one(query, keys, v[b, own, kv]))
            row.append(torch.cat(outputs) if outputs else None)
        rows.append(row)
    return assemble(mixer, rows, x_btc)


def _sees(part: AttentionMixer, place: list[int], query: int, key: int, back: int) -> bool:
    """Whether a part's query sees a key that is the `back`th from the end, its own the first."""
    if isinstance(part, PatternAttention):
        return naive_sees(part.pattern, place[query], place[key])
    assert isinstance(part, FullAttention | WindowAttention)
    return isinstance(part, FullAttention) or back <= part.window
