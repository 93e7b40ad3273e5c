"""Sliding-window attention with sinks, token by token."""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.base import Tokens
from farspan.mixers.naive import (
    assemble,
    mix_by_pair,
    mix_one,
    raw_projections,
    sharpened,
    turn,
    visible,
)
from farspan.mixers.window.chunked import WindowAttention


def naive_window(mixer: WindowAttention, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence.

    Keys are turned by minus their distance and queries not at all, which is the same angle.
    """
    q, k, v = raw_projections(mixer, x_btc)
    rows: list[list[Tensor | None]] = []
    for b in range(x_btc.shape[0]):
        place = tokens.position_bt[b].tolist()
        row: list[Tensor | None] = []
        for t in range(x_btc.shape[1]):
            seen = visible(tokens, b, t)
            recent = seen[-mixer.window :]
            kept = [s for s in seen if s in recent or place[s] < mixer.sinks]
            query = sharpened(mixer, q[b, t], min(place[t] + 1, mixer.window))
            if mixer.rotary is not None and mixer.rotary.scores is not None and kept:
                own = [place[s] for s in kept]
                row.append(mix_by_pair(mixer, query, k[b, kept], v[b, kept], place[t], own))
                continue
            keys = []
            for s in kept:
                distance = place[t] - place[s]
                if place[s] < mixer.sinks:
                    distance = min(distance, mixer.window)
                keys.append(turn(mixer, k[b, s], -distance))
            row.append(
                mix_one(turn(mixer, query, 0), torch.stack(keys), v[b, kept]) if kept else None
            )
        rows.append(row)
    return assemble(mixer, rows, x_btc)
