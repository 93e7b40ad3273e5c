"""What the mixers' references share: one query, the keys it may see, nothing else."""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.base import AttentionMixer, Tokens


def raw_projections(mixer: AttentionMixer, x_btc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries `[B, T, H, D]`, keys and values `[B, T, Hkv, D]` without positions."""
    shape = mixer.shape
    qkv = mixer.qkv(x_btc).unflatten(-1, (-1, shape.head_dim))
    q, k, v = qkv.split([shape.n_heads, shape.n_kv_heads, shape.n_kv_heads], dim=2)
    if mixer.q_norm is not None and mixer.k_norm is not None:
        q, k = mixer.q_norm(q), mixer.k_norm(k)
    return q, k, v


def turn(mixer: AttentionMixer, vector_hd: Tensor, position: int) -> Tensor:
    """One token's heads rotated to a position; unchanged without rotary embedding."""
    if mixer.rotary is None:
        return vector_hd
    frequency, magnitude = mixer.rotary.frequencies()
    angle = position * frequency
    spin = torch.polar(torch.full_like(angle, magnitude), angle)
    first, second = vector_hd.double().chunk(2, dim=-1)
    turned = torch.complex(first, second) * spin
    return torch.cat((turned.real, turned.imag), dim=-1).to(vector_hd.dtype)


def mix_one(q_hd: Tensor, k_shd: Tensor, v_shd: Tensor) -> Tensor:
    """softmax(q k / sqrt d) v for one token: `[H, D]` over its own list of keys."""
    group = q_hd.shape[0] // k_shd.shape[1]
    k, v = k_shd.repeat_interleave(group, dim=1), v_shd.repeat_interleave(group, dim=1)
    score = torch.einsum("hd,shd->hs", q_hd, k) * q_hd.shape[-1] ** -0.5
    return torch.einsum("hs,shd->hd", score.softmax(-1), v)


def visible(tokens: Tokens, row: int, token: int) -> list[int]:
    """Tokens of the same document up to this one; none for padding."""
    document = tokens.document_bt[row].tolist()
    if document[token] < 0:
        return []
    return [s for s in range(token + 1) if document[s] == document[token]]


def assemble(mixer: AttentionMixer, rows: list[list[Tensor | None]], like_btc: Tensor) -> Tensor:
    """Outputs `[B, T, C]` from one `[H, D]` a token; None is a token that sees nothing."""
    shape = mixer.shape
    zero = like_btc.new_zeros(shape.n_heads, shape.head_dim)
    stacked = torch.stack([torch.stack([zero if y is None else y for y in row]) for row in rows])
    return mixer.out(stacked.flatten(2))
