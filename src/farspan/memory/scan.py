"""Exact attention of a few queries to a whole store, block by block.

Axes: b row, t query, s key, h query head, g key-value head, d feature. Softmax over blocks is
combined through running maxima (Milakov & Gimelshein 2018), in float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from farspan.memory.store import KeyValueStore

BLOCK = 4096
NEGLIGIBLE = 30.0  # exp(-30) = 1e-13: a million such weights together stay below 1e-7.


@dataclass
class AttentionWatch:
    """Collects where recall heads look: attention mass per block of `block` stored tokens.

    `mass` has one float32 `[B, T, H, blocks]` per watched scan, in the order of the scans; it
    sums to one over the blocks.
    """

    block: int = 64
    mass: list[Tensor] = field(default_factory=list)


def attend_store(
    q_bthd: Tensor, store: KeyValueStore, watch: AttentionWatch | None = None
) -> Tensor:
    """Queries `[B, T, H, D]`, the last T of the stored tokens, over all keys up to their own.

    Returns `[B, T, H, D]`. `watch` needs the scores, which the fused kernel keeps to itself, and
    so takes a slower path; there, value blocks whose every weight is below exp(-30) of the
    maximum are not read.
    """
    if watch is not None:
        return _scan_watched(q_bthd, store, watch)
    return _scan(q_bthd, store)


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def fold(q_bthd: Tensor, n_kv: int) -> Tensor:
    """Query heads that share a key head become rows: `[B, G, T * H/G, D]`, t slowest."""
    q = q_bthd.unflatten(2, (n_kv, -1)).permute(0, 2, 1, 3, 4)
    return q.flatten(2, 3)


def unfold(x_bgrd: Tensor, n_queries: int) -> Tensor:
    """The inverse of `fold`, for as many queries: `[B, T, H, D]`."""
    return x_bgrd.unflatten(2, (n_queries, -1)).permute(0, 2, 1, 3, 4).flatten(2, 3)


def _late(n_queries: int, group: int, length: int, start: int, stop: int) -> Tensor | None:
    """`[T * group, s]` true where a key comes after the query, or None if no key does."""
    first = length - n_queries
    if stop <= first + 1:
        return None
    return late_keys(n_queries, group, length, torch.arange(start, stop))


def late_keys(n_queries: int, group: int, length: int, place_s: Tensor) -> Tensor:
    """`[T * group, s]` true where a key, at its place among `length`, comes after the query."""
    query = torch.arange(length - n_queries, length).repeat_interleave(group)
    return place_s > query.unsqueeze(1)


def _scan_watched(q_bthd: Tensor, store: KeyValueStore, watch: AttentionWatch) -> Tensor:
    n_queries, n_heads, d = q_bthd.shape[1:]
    q = top = total = out = None
    block_lse: list[Tensor] = []
    for start, k in store.keys(BLOCK):
        stop = start + k.shape[1]
        if q is None:
            q = fold(_wide(q_bthd) * d**-0.5, k.shape[2])
        score = torch.matmul(q, k.to(q.dtype).permute(0, 2, 3, 1))
        late = _late(n_queries, n_heads // k.shape[2], store.length, start, stop)
        if late is not None:
            score.masked_fill_(late.to(score.device), -torch.inf)
        block_lse.append(_block_lse(score, watch.block))
        peak = score.amax(-1, keepdim=True)
        if top is not None and bool((peak < top - NEGLIGIBLE).all()):
            continue
        new_top = peak if top is None else torch.maximum(top, peak)
        weight = torch.exp(score - new_top)
        v = store.values(start, stop).to(q.dtype).transpose(1, 2)
        part, mass = torch.matmul(weight, v), weight.sum(-1, keepdim=True)
        if top is None or total is None or out is None:
            total, out = mass, part
        else:
            fade = torch.exp(top - new_top)
            total, out = total * fade + mass, out * fade + part
        top = new_top
    assert out is not None and total is not None, "an empty store has nothing to attend to"
    share = torch.softmax(torch.cat(block_lse, -1), -1)
    watch.mass.append(unfold(share, n_queries))
    return unfold(out / total, n_queries).to(q_bthd.dtype)


def _block_lse(score_bgrs: Tensor, block: int) -> Tensor:
    """Log-sum-exp of each `block` keys; a short last block is padded."""
    missing = -score_bgrs.shape[-1] % block
    padded = F.pad(score_bgrs, (0, missing), value=-torch.inf)
    return padded.unflatten(-1, (-1, block)).logsumexp(-1)


def _scan(q_bthd: Tensor, store: KeyValueStore) -> Tensor:
    n_queries, n_heads, d = q_bthd.shape[1:]
    q = out = lse = None
    for start, k in store.keys(BLOCK):
        stop = start + k.shape[1]
        if q is None:
            q = fold(q_bthd, k.shape[2]).to(k.dtype)
        late = _late(n_queries, n_heads // k.shape[2], store.length, start, stop)
        mask = None
        if late is not None:
            mask = torch.zeros(late.shape, dtype=q.dtype).masked_fill_(late, -torch.inf)
        k, v = k.to(q.dtype).transpose(1, 2), store.values(start, stop).to(q.dtype).transpose(1, 2)
        part, part_lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q, k, v, attn_mask=mask, scale=d**-0.5
        )
        part, part_lse = _wide(part), part_lse.unsqueeze(-1)
        if late is not None:
            blind = late.all(-1, keepdim=True)
            part = part.masked_fill(blind, 0.0)
            part_lse = part_lse.masked_fill(blind, -torch.inf)
        if out is None or lse is None:
            out, lse = part, part_lse
        else:
            joint = torch.logaddexp(lse, part_lse)
            out = out * torch.exp(lse - joint) + part * torch.exp(part_lse - joint)
            lse = joint
    assert out is not None, "an empty store has nothing to attend to"
    return unfold(out, n_queries).to(q_bthd.dtype)
