"""Softmax attention kernels that the mixers share.

Axes: b batch, t query, s key, h query head, g key-value head, d feature.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from farspan import compat
from farspan.mixers.base import AttentionShape, Tokens

NOTHING = -1e30  # Log-sum-exp of no keys; finite, so that gradients stay finite.
QUERY_BLOCK = 128  # Queries a block outside CUDA; shorter blocks waste less of a narrow window.


def causal_attention(
    q_bthd: Tensor, k_bshd: Tensor, v_bshd: Tensor, *, window: int | None = None
) -> Tensor:
    """Each query sees the keys up to its own, the last `window` of them if given.

    The queries belong to the last T of the S keys. Cost is T x (window + block) outside CUDA.
    Returns `[B, T, H, D]`.
    """
    scale = q_bthd.shape[-1] ** -0.5
    if compat.has_flash(q_bthd):
        return compat.flash_attention(q_bthd, k_bshd, v_bshd, scale=scale, window=window)[0]
    n_queries, n_keys = q_bthd.shape[1], k_bshd.shape[1]
    behind = n_keys - n_queries
    if n_queries == 1:  # decoding: every key that is left is seen
        first = 0 if window is None else max(0, n_keys - window)
        return _sdpa(q_bthd, k_bshd[:, first:], v_bshd[:, first:], None)
    if window is None and behind == 0:
        return _sdpa(q_bthd, k_bshd, v_bshd, None, causal=True)
    parts = []
    for start in range(0, n_queries, QUERY_BLOCK):
        stop = min(start + QUERY_BLOCK, n_queries)
        first = 0 if window is None else max(0, behind + start - window + 1)
        last = behind + stop
        keys = torch.arange(first, last, device=q_bthd.device)
        queries = torch.arange(behind + start, last, device=q_bthd.device).unsqueeze(1)
        mask = keys <= queries
        if window is not None:
            mask &= keys > queries - window
        k, v = k_bshd[:, first:last], v_bshd[:, first:last]
        parts.append(_sdpa(q_bthd[:, start:stop], k, v, mask))
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def masked_attention(q_bthd: Tensor, k_bshd: Tensor, v_bshd: Tensor, mask_bts: Tensor) -> Tensor:
    """Attention over the keys that `mask_bts` allows; a query that sees none yields zero."""
    sees = mask_bts.any(-1)
    mask = mask_bts | ~sees.unsqueeze(-1)
    out = _sdpa(q_bthd, k_bshd, v_bshd, mask.unsqueeze(1))
    return out * sees[:, :, None, None]


def attention_with_lse(
    q_bthd: Tensor,
    k_bshd: Tensor,
    v_bshd: Tensor,
    mask_bts: Tensor | None,
    bias_bhts: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """As `masked_attention`, with the log-sum-exp of the scores, at least float32 `[B, T, H]`.

    `bias_bhts`, if given, is added to the scores.
    """
    batch, n_queries, n_heads, d = q_bthd.shape
    n_kv = k_bshd.shape[2]
    q = q_bthd.unflatten(2, (n_kv, -1)).permute(0, 2, 3, 1, 4)
    k, v = k_bshd.permute(0, 2, 3, 1).unsqueeze(2), v_bshd.transpose(1, 2).unsqueeze(2)
    score = torch.matmul(q * d**-0.5, k)
    score = score.to(torch.promote_types(score.dtype, torch.float32))
    if bias_bhts is not None:
        score = score + bias_bhts.unflatten(1, (n_kv, -1)).to(score.dtype)
    if mask_bts is not None:
        sees = mask_bts.any(-1, keepdim=True)
        score = score.masked_fill(~(mask_bts | ~sees)[:, None, None], -torch.inf)
    lse = score.logsumexp(-1, keepdim=True)
    weight = torch.exp(score - lse)
    if mask_bts is not None:
        blind = ~sees[:, None, None]
        lse, weight = lse.masked_fill(blind, NOTHING), weight.masked_fill(blind, 0.0)
    out = torch.matmul(weight.to(v.dtype), v).permute(0, 3, 1, 2, 4)
    out = out.reshape(batch, n_queries, n_heads, d)
    return out, lse.squeeze(-1).permute(0, 3, 1, 2).flatten(2)


def combine(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Attention over two disjoint key sets from the `(output, log-sum-exp)` of each."""
    lse = torch.logaddexp(first[1], second[1])
    one, two = (out * torch.exp(part - lse).unsqueeze(-1) for out, part in (first, second))
    return (one + two).to(first[0].dtype), lse


def attention_flops(shape: AttentionShape, n_tokens: int, window: int | None = None) -> int:
    """Two products of `head_dim` for each head and visible pair of a document of `n_tokens`."""
    inside = n_tokens if window is None else min(n_tokens, window)
    pairs = inside * (inside + 1) // 2 + (n_tokens - inside) * inside
    return 4 * shape.n_heads * shape.head_dim * pairs


def causal_mask(tokens: Tokens, key_document_bs: Tensor) -> Tensor:
    """`[B, T, S]`: same document and not later; the chunk's own keys are the last T of the S."""
    n_queries, n_keys = tokens.document_bt.shape[1], key_document_bs.shape[1]
    device = key_document_bs.device
    order = torch.arange(n_keys, device=device) <= (
        torch.arange(n_queries, device=device) + n_keys - n_queries
    ).unsqueeze(1)
    same = tokens.document_bt.unsqueeze(2) == key_document_bs.unsqueeze(1)
    return order & same & tokens.valid_bt.unsqueeze(2)


def _sdpa(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool = False) -> Tensor:
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    grouped = q.shape[1] != k.shape[1]
    out = F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=grouped
    )
    return out.transpose(1, 2)
