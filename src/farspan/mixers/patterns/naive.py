"""Fixed patterns by their explicit mask, token by token."""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.base import Tokens
from farspan.mixers.naive import assemble, mix_one, raw_projections, sharpened, turn, visible
from farspan.mixers.patterns.chunked import PatternAttention
from farspan.mixers.patterns.pattern import (
    Columns,
    Dilated,
    Every,
    First,
    OwnBlock,
    Pattern,
    Sliding,
    Union,
)
from farspan.mixers.patterns.random import RandomBlocks


def naive_sees(pattern: Pattern, query: int, key: int) -> bool:
    """One cell of the mask, for a key that is not later; the papers' rules in whole numbers."""
    if isinstance(pattern, Union):
        return any(naive_sees(member, query, key) for member in pattern.members)
    if isinstance(pattern, Dilated):
        steps, rest = divmod(query - key, pattern.dilation)
        if rest or query - key < pattern.beyond:
            return False
        return pattern.window is None or steps < pattern.window
    if isinstance(pattern, RandomBlocks):
        own, other = query // pattern.block, key // pattern.block
        drawn = pattern.draw(torch.tensor(own)).tolist()
        return own - other < pattern.window or other < pattern.first or other in drawn
    assert isinstance(pattern, Columns)
    near, far = pattern.near, pattern.far
    if isinstance(near, Sliding) and query - key < near.window:
        return True
    if isinstance(near, OwnBlock) and query // near.size == key // near.size:
        return True
    if isinstance(far, First):
        return key < far.tokens
    assert isinstance(far, Every)
    return far.offset <= key % far.period < far.offset + far.width


def naive_pattern(mixer: PatternAttention, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence."""
    q, k, v = raw_projections(mixer, x_btc)
    rows: list[list[Tensor | None]] = []
    for b in range(x_btc.shape[0]):
        place = tokens.position_bt[b].tolist()
        row: list[Tensor | None] = []
        for t in range(x_btc.shape[1]):
            seen = visible(tokens, b, t)
            seen = [s for s in seen if naive_sees(mixer.pattern, place[t], place[s])]
            if not seen:
                row.append(None)
                continue
            query = q[b, t]
            if mixer.temperature is not None:
                count = mixer.pattern.visible(tokens.position_bt[b, t])  # of the whole document
                query = sharpened(mixer, query, int(count))
            query = turn(mixer, query, place[t])
            keys = torch.stack([turn(mixer, k[b, s], place[s]) for s in seen])
            row.append(mix_one(query, keys, v[b, seen]))
        rows.append(row)
    return assemble(mixer, rows, x_btc)
