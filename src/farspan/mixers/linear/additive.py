"""Memories that only add: S_t = diag(a_t) S_{t-1} + k_t v_t^T, read as y_t = S_t^T q_t.

Within a chunk the scores are attention without softmax; between chunks the memory is carried.
Axes: b row, t token, h head, g key-value head, r query of a group, n chunk, c token of a chunk, p
pair of blocks, d key feature, e value feature, x decay: one a head or one a key feature.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from farspan.mixers.linear.chunks import after, chunk_size, cut, join, ratios, until


def additive(
    q_bthd: Tensor,
    k_btgd: Tensor,
    v_btge: Tensor,
    log_decay_btgx: Tensor | None,
    mem_bgde: Tensor,
    *,
    chunk: int = 64,
) -> tuple[Tensor, Tensor]:
    """Reads each token from the memory after it: `[B, T, H, E]` and the memory after the last.

    `log_decay_btgx` has one column (a decay a head) or D (a decay a key feature); None is no decay.
    All tensors are of the memory's dtype; `chunk` is a power of two. The query heads of a group
    read the memory of their key-value head.
    """
    n_tokens, n_groups = k_btgd.shape[1:3]
    size = chunk_size(n_tokens, chunk)
    q = cut(q_bthd.unflatten(2, (n_groups, -1)), size)  # b g n c r d
    k, v = cut(k_btgd, size), cut(v_btge, size)
    kept = None
    if log_decay_btgx is None:
        order = torch.ones(size, size, dtype=q.dtype, device=q.device).tril()
        scores = _dot(q, k) * order.unsqueeze(-2)
        written = k
    else:
        log_decay = cut(log_decay_btgx, size)
        scores = _decayed_scores(q, k, log_decay)
        written = k * after(log_decay)
        kept = log_decay.sum(-2).exp().unsqueeze(-1)  # b g n x 1
        q = q * until(log_decay).unsqueeze(-2)
    before, mem_bgde = _carry(written.mT @ v, kept, mem_bgde)
    y = scores.flatten(-3, -2) @ v + q.flatten(-3, -2) @ before
    return join(y.unflatten(-2, (size, -1)), n_tokens), mem_bgde


def _carry(added: Tensor, kept: Tensor | None, mem: Tensor) -> tuple[Tensor, Tensor]:
    """The memory before each chunk, `[B, G, N, D, E]`, and the one after the last."""
    if kept is None:  # summed apart first: fewer roundings at the size of the memory
        sums = mem.unsqueeze(2) + F.pad(added.cumsum(2), (0, 0, 0, 0, 1, 0))
        return sums[:, :, :-1], sums[:, :, -1]
    before = []
    for n in range(added.shape[2]):
        before.append(mem)
        mem = added[:, :, n] + kept[:, :, n] * mem
    return torch.stack(before, dim=2), mem


def _dot(q: Tensor, k: Tensor) -> Tensor:
    """`[..., C, R, D]` with `[..., C, D]` to scores `[..., C, R, C]`."""
    return (q.flatten(-3, -2) @ k.mT).unflatten(-2, q.shape[-3:-1])


def _decayed_scores(q: Tensor, k: Tensor, log_decay: Tensor) -> Tensor:
    """Scores `[..., C, R, C]`, zero for later keys."""
    if log_decay.shape[-1] == 1:
        return _dot(q, k) * ratios(log_decay.squeeze(-1)).unsqueeze(-2)
    return channel_scores(q, k, log_decay)


def channel_scores(q: Tensor, k: Tensor, log_decay: Tensor) -> Tensor:
    """Scores with a decay of its own for every key feature, `[..., C, R, C]`.

    Blocks are joined in pairs, from single tokens up: the queries of the later block decay from the
    border between the two, the keys of the earlier one up to it, so no factor exceeds 1.
    """
    scores = (q * k.unsqueeze(-2)).sum(-1)[..., None, :, None]  # p c r c
    block = 1
    while block < q.shape[-3]:
        pair = (-1, 2, block)
        first, second = log_decay.unflatten(-2, pair).unbind(-3)
        late = q.unflatten(-3, pair)[..., 1, :, :, :] * until(second).unsqueeze(-2)
        early = k.unflatten(-2, pair)[..., 0, :, :] * after(first)
        cross = (late.flatten(-3, -2) @ early.mT).unflatten(-2, (block, -1))
        upper, lower = scores.unflatten(-4, (-1, 2)).unbind(-4)
        upper = torch.cat((upper, torch.zeros_like(upper)), dim=-1)
        scores = torch.cat((upper, torch.cat((cross, lower), dim=-1)), dim=-3)
        block *= 2
    return scores.squeeze(-4)
