"""Full attention, token by token."""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.base import Tokens
from farspan.mixers.full.chunked import FullAttention
from farspan.mixers.naive import (
    assemble,
    mix_by_pair,
    mix_one,
    raw_projections,
    sharpened,
    turn,
    visible,
)


def naive_full(mixer: FullAttention, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence."""
    q, k, v = raw_projections(mixer, x_btc)
    place = tokens.position_bt
    rows: list[list[Tensor | None]] = []
    for b in range(x_btc.shape[0]):
        turned = [turn(mixer, k[b, s], int(place[b, s])) for s in range(x_btc.shape[1])]
        row: list[Tensor | None] = []
        for t in range(x_btc.shape[1]):
            seen = visible(tokens, b, t)
            if not seen:
                row.append(None)
                continue
            query = sharpened(mixer, q[b, t], int(place[b, t]) + 1)
            if mixer.rotary is not None and mixer.rotary.scores is not None:
                keys = place[b, seen].tolist()
                row.append(
                    mix_by_pair(mixer, query, k[b, seen], v[b, seen], int(place[b, t]), keys)
                )
                continue
            query = turn(mixer, query, int(place[b, t]))
            row.append(mix_one(query, torch.stack([turned[s] for s in seen]), v[b, seen]))
        rows.append(row)
    return assemble(mixer, rows, x_btc)
