"""Mixture of block attention, token by token."""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.base import Tokens
from farspan.mixers.moba.chunked import MobaAttention
from farspan.mixers.naive import assemble, mix_one, raw_projections, sharpened, turn, visible


def naive_moba(mixer: MobaAttention, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence; each head sorts the blocks by itself."""
    q, k, v = raw_projections(mixer, x_btc)
    group = mixer.shape.n_heads // mixer.shape.n_kv_heads
    rows: list[list[Tensor | None]] = []
    for b in range(x_btc.shape[0]):
        place = tokens.position_bt[b].tolist()
        row: list[Tensor | None] = []
        for t in range(x_btc.shape[1]):
            seen = visible(tokens, b, t)
            if not seen:
                row.append(None)
                continue
            blocks: dict[int, list[int]] = {}
            for s in seen:
                blocks.setdefault(place[s] // mixer.block, []).append(s)
            keys = torch.stack([turn(mixer, k[b, s], place[s]) for s in seen])
            index = {s: i for i, s in enumerate(seen)}
            own = place[t] // mixer.block
            count = min(own, mixer.top - 1) * mixer.block + place[t] % mixer.block + 1
            heads = []
            for h in range(mixer.shape.n_heads):
                g, query = h // group, turn(mixer, q[b, t, h : h + 1], place[t])
                gate = {
                    name: float((query[0] @ keys[[index[s] for s in part], g].mean(0)).detach())
                    for name, part in blocks.items()
                    if name < own
                }
                best = sorted(gate, key=lambda name: -gate[name])[: mixer.top - 1]
                kept = sorted(s for name in [own, *best] for s in blocks[name])
                chosen = keys[[index[s] for s in kept], g : g + 1]
                query = sharpened(mixer, query, count)
                heads.append(mix_one(query, chosen, v[b, kept, g : g + 1]))
            row.append(torch.cat(heads))
        rows.append(row)
    return assemble(mixer, rows, x_btc)
