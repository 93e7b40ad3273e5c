"""Recall, token by token."""

from __future__ import annotations

import math

from torch import Tensor

from farspan.mixers.base import Tokens
from farspan.mixers.naive import assemble, mix_one, raw_projections, visible
from farspan.mixers.recall.chunked import SCALE_FROM, RecallAttention


def naive_recall(mixer: RecallAttention, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence."""
    q, k, v = raw_projections(mixer, x_btc)
    rows: list[list[Tensor | None]] = []
    for b in range(x_btc.shape[0]):
        row: list[Tensor | None] = []
        for t in range(x_btc.shape[1]):
            seen, query = visible(tokens, b, t), q[b, t]
            if tokens.asked_bt[b, t]:
                position = int(tokens.position_bt[b, t])
                query = query * max(1.0, math.log(position + 1) / math.log(SCALE_FROM))
            else:
                seen = seen[-mixer.window :]
            row.append(mix_one(query, k[b, seen], v[b, seen]) if seen else None)
        rows.append(row)
    return assemble(mixer, rows, x_btc)
