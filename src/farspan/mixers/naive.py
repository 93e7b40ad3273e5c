"""What the mixers' references share: one query, the keys it may see, nothing else."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from farspan.mixers.base import AttentionMixer, Tokens
from farspan.positions.alibi import Alibi
from farspan.positions.base import ScoreMethod
from farspan.positions.dual_chunk import DualChunk
from farspan.positions.self_extend import SelfExtend


def raw_projections(mixer: AttentionMixer, x_btc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries `[B, T, H, D]`, keys and values `[B, T, Hkv, D]` without positions."""
    shape = mixer.shape
    qkv = mixer.qkv(x_btc).unflatten(-1, (-1, shape.head_dim))
    q, k, v = qkv.split([shape.n_heads, shape.n_kv_heads, shape.n_kv_heads], dim=2)
    q, k = mixer.normalise(q, k)
    return q, k, v


def turn(mixer: AttentionMixer, vector_hd: Tensor, position: int) -> Tensor:
    """One token's heads rotated to a position; unchanged without rotary embedding."""
    if mixer.rotary is None:
        return vector_hd
    frequency, magnitude = mixer.rotary.frequencies()
    angle = position * frequency
    spin = torch.polar(torch.full_like(angle, magnitude), angle)
    width = 2 * len(frequency)
    first, second = vector_hd[..., :width].double().chunk(2, dim=-1)
    turned = torch.complex(first, second) * spin
    parts = (turned.real, turned.imag, vector_hd[..., width:].double())
    return torch.cat(parts, dim=-1).to(vector_hd.dtype)


def mix_one(q_hd: Tensor, k_shd: Tensor, v_shd: Tensor, bias_hs: Tensor | float = 0.0) -> Tensor:
    """softmax(q k / sqrt d + bias) v for one token: `[H, D]` over its own list of keys."""
    group = q_hd.shape[0] // k_shd.shape[1]
    k, v = k_shd.repeat_interleave(group, dim=1), v_shd.repeat_interleave(group, dim=1)
    score = torch.einsum("hd,shd->hs", q_hd, k) * q_hd.shape[-1] ** -0.5
    return torch.einsum("hs,shd->hd", (score + bias_hs).softmax(-1), v)


def mix_by_pair(
    mixer: AttentionMixer, q_hd: Tensor, k_shd: Tensor, v_shd: Tensor, query: int, keys: list[int]
) -> Tensor:
    """One token over its keys, scores by the papers' formulas for each pair of positions."""
    assert mixer.rotary is not None
    method = mixer.rotary.scores
    if isinstance(method, Alibi):
        slope = torch.tensor(naive_slopes(q_hd.shape[0]), dtype=q_hd.dtype) / method.factor
        away = torch.tensor([query - key for key in keys], dtype=q_hd.dtype)
        return mix_one(q_hd, k_shd, v_shd, -slope.unsqueeze(1) * away)
    distances = [naive_distance(method, query, key) for key in keys]
    turned = [turn(mixer, k, -far) for k, far in zip(k_shd, distances, strict=True)]
    return mix_one(turn(mixer, q_hd, 0), torch.stack(turned), v_shd)


def naive_distance(method: ScoreMethod | None, query: int, key: int) -> int:
    """The distance that a score is turned by, straight from the paper."""
    if isinstance(method, SelfExtend):
        if query - key < method.window:
            return query - key
        shift = method.window - method.window // method.group
        return query // method.group + shift - key // method.group
    assert isinstance(method, DualChunk)
    size, apart = method.size, query // method.size - key // method.size
    if apart == 0:
        return query - key
    if apart == 1:
        return min(query % size + size, method.trained - 1) - key % size
    return method.trained - 1 - key % size


def naive_slopes(n_heads: int) -> list[float]:
    """Powers of 2^(-8/n); in between the next power of two fills up with every second one."""
    if n_heads & (n_heads - 1) == 0:
        return [2 ** (-(8 / n_heads) * i) for i in range(1, n_heads + 1)]
    below = 1 << (n_heads.bit_length() - 1)
    return naive_slopes(below) + naive_slopes(2 * below)[0::2][: n_heads - below]


def sharpened(mixer: AttentionMixer, q_hd: Tensor, seen: int) -> Tensor:
    """A query that may see so many keys, behind the mixer's temperature."""
    temperature = getattr(mixer, "temperature", None)
    if temperature is None:
        return q_hd
    return q_hd * max(1.0, math.log(seen) / math.log(temperature.trained))


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
