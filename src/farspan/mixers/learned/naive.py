"""Trainable block-sparse attention, token by token."""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.base import Tokens
from farspan.mixers.learned.chunked import LearnedAttention
from farspan.mixers.naive import assemble, mix_one, raw_projections, turn, visible


def naive_learned(mixer: LearnedAttention, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence, without a temperature."""
    q, k, v = raw_projections(mixer, x_btc)
    raw = mixer.gates(x_btc).sigmoid().unflatten(-1, (3, mixer.shape.n_heads, 1))
    rows: list[list[Tensor | None]] = []
    for b in range(x_btc.shape[0]):
        place = tokens.position_bt[b].tolist()
        row: list[Tensor | None] = []
        for t in range(x_btc.shape[1]):
            seen = visible(tokens, b, t)
            if not seen:
                row.append(None)
                continue
            keys = {s: turn(mixer, k[b, s], place[s]) for s in seen}
            values = {s: v[b, s] for s in seen}
            query, at = turn(mixer, q[b, t], place[t]), {s: place[s] for s in seen}
            near = seen[-mixer.window :]
            window = mix_one(query, torch.stack([keys[s] for s in near]), v[b, near])
            compressed, weight = _compressed(mixer, query, keys, values, at, place[t])
            chosen = _selected(mixer, query, keys, values, at, place[t], weight)
            gate, amount = raw[b, t], mixer.amount.unsqueeze(-1)
            y = 2 * gate[0] * window
            row.append(y + amount[0] * gate[1] * compressed + amount[1] * gate[2] * chosen)
        rows.append(row)
    return assemble(mixer, rows, x_btc)


Heads = dict[int, Tensor]
Places = dict[int, int]


def _compressed(
    mixer: LearnedAttention,
    query_hd: Tensor,
    keys: Heads,
    values: Heads,
    at: Places,
    t: int,
) -> tuple[Tensor, dict[int, Tensor]]:
    """The branch's output, and the attention of each head to each pool that ended."""
    pools: dict[int, list[int]] = {}
    for s, place in at.items():
        if (place // mixer.pool + 1) * mixer.pool <= t + 1:
            pools.setdefault(place // mixer.pool, []).append(s)
    if not pools:
        return torch.zeros_like(query_hd), {}
    small_k: list[Tensor] = []
    small_v: list[Tensor] = []
    for members in pools.values():
        offset = [at[s] % mixer.pool for s in members]
        k = torch.stack([keys[s] for s in members]) + mixer.place_key[offset]
        v = torch.stack([values[s] for s in members]) + mixer.place_value[offset]
        for x, by, found in ((k, mixer.pooling[0], small_k), (v, mixer.pooling[1], small_v)):
            share = torch.einsum("ugd,gd->ug", x, by).softmax(0)
            found.append(torch.einsum("ug,ugd->gd", share, x))
    k, v = torch.stack(small_k), torch.stack(small_v)
    group = mixer.shape.n_heads // mixer.shape.n_kv_heads
    score = torch.einsum("hd,mhd->mh", query_hd, k.repeat_interleave(group, dim=1))
    weight = (score * query_hd.shape[-1] ** -0.5).softmax(0)
    return mix_one(query_hd, k, v), dict(zip(pools, weight, strict=True))


def _selected(
    mixer: LearnedAttention,
    query_hd: Tensor,
    keys: Heads,
    values: Heads,
    at: Places,
    t: int,
    weight: dict[int, Tensor],
) -> Tensor:
    """The branch of chosen blocks, a group of heads at a time."""
    group = mixer.shape.n_heads // mixer.shape.n_kv_heads
    own = t // mixer.block
    there = {place // mixer.block for place in at.values()}
    forced = {0, own - 1, own} & there
    outputs = []
    for g in range(mixer.shape.n_kv_heads):
        heads = slice(g * group, (g + 1) * group)
        score = dict.fromkeys(there, 0.0)
        for pool, share in weight.items():
            score[pool * mixer.pool // mixer.block] += float(share[heads].detach().sum())
        others = sorted(score.keys() - forced, key=lambda name: -score[name])
        chosen = forced | set(others[: max(0, mixer.top - len(forced))])
        kept = [s for s in at if at[s] // mixer.block in chosen]
        k, v = (torch.stack([x[s] for s in kept])[:, g : g + 1] for x in (keys, values))
        outputs.append(mix_one(query_hd[heads], k, v))
    return torch.cat(outputs)
