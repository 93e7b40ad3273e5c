"""The linear mixers token by token, in plain loops: the truth for the chunked forms.

Axes: t token, h head, g key-value head, d key feature, e value feature.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from farspan.mixers.base import Tokens
from farspan.mixers.linear.kinds import (
    GATE_TEMPERATURE,
    LENGTH_FLOOR,
    NORMALISER_FLOOR,
    DeltaRule,
    GatedLinear,
    KernelAttention,
    Retention,
)
from farspan.mixers.linear.mixer import LinearMixer
from farspan.mixers.naive import assemble, raw_projections, turn

Step = Callable[[int, int, Tensor], tuple[Tensor, Tensor]]
"""Row, token and memory `[G, D, E]` before it to the memory after it and `[H, D]` read from it."""


def naive_kernel(mixer: KernelAttention, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence; the last value feature counts keys."""
    q, k, v = raw_projections(mixer, x_btc)
    q, k = F.elu(q) + 1, F.elu(k) + 1

    def step(b: int, t: int, mem: Tensor) -> tuple[Tensor, Tensor]:
        value = torch.cat((v[b, t], torch.ones_like(v[b, t, :, :1])), dim=-1)
        mem = mem + torch.einsum("gd,ge->gde", k[b, t], value)
        read = _read(q[b, t], mem)
        return mem, read[:, :-1] / (read[:, -1:] + NORMALISER_FLOOR)

    return _walk(mixer, x_btc, tokens, step, mixer.shape.head_dim + 1)


def naive_retention(mixer: Retention, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence."""
    q, k, v = raw_projections(mixer, x_btc)
    decay = torch.tensor([1 - 2.0 ** (-5 - g) for g in range(mixer.shape.n_kv_heads)]).to(x_btc)

    def step(b: int, t: int, mem: Tensor) -> tuple[Tensor, Tensor]:
        place = int(tokens.position_bt[b, t])
        key, query = turn(mixer, k[b, t], place), turn(mixer, q[b, t], place)
        mem = decay[:, None, None] * mem + torch.einsum("gd,ge->gde", key, v[b, t])
        return mem, _norm(mixer, _read(query, mem) * mixer.shape.head_dim**-0.5)

    return _walk(mixer, x_btc, tokens, step, mixer.shape.head_dim)


def naive_gla(mixer: GatedLinear, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence."""
    q, k, v = raw_projections(mixer, x_btc)
    logits = mixer.decay_up(mixer.decay_down(x_btc)).unflatten(-1, k.shape[2:])
    decay = logits.sigmoid() ** (1 / GATE_TEMPERATURE)

    def step(b: int, t: int, mem: Tensor) -> tuple[Tensor, Tensor]:
        mem = decay[b, t].unsqueeze(-1) * mem + torch.einsum("gd,ge->gde", k[b, t], v[b, t])
        return mem, _norm(mixer, _read(q[b, t], mem) * mixer.shape.head_dim**-0.5)

    return _walk(mixer, x_btc, tokens, step, mixer.shape.head_dim)


def naive_delta(mixer: DeltaRule, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence, with or without decay."""
    q, k, v = raw_projections(mixer, x_btc)
    q, k = (x / (x.square().sum(-1, keepdim=True) + LENGTH_FLOOR).sqrt() for x in (q, k))
    write = mixer.write(x_btc).sigmoid()
    decay = torch.ones_like(write)
    if mixer.decay is not None:
        decay = 1 / (1 + mixer.decay(x_btc).exp())

    def step(b: int, t: int, mem: Tensor) -> tuple[Tensor, Tensor]:
        mem = decay[b, t, :, None, None] * mem
        held = torch.einsum("gd,gde->ge", k[b, t], mem)
        change = write[b, t].unsqueeze(-1) * (v[b, t] - held)
        mem = mem + torch.einsum("gd,ge->gde", k[b, t], change)
        return mem, _norm(mixer, _read(q[b, t], mem))

    return _walk(mixer, x_btc, tokens, step, mixer.shape.head_dim)


def _walk(mixer: LinearMixer, x_btc: Tensor, tokens: Tokens, step: Step, n_values: int) -> Tensor:
    """Every row from an empty memory at each document's start, past padding."""
    shape = mixer.shape
    rows: list[list[Tensor | None]] = []
    for b in range(x_btc.shape[0]):
        row: list[Tensor | None] = []
        current = -1
        for t, document in enumerate(tokens.document_bt[b].tolist()):
            if document < 0:
                row.append(None)
                continue
            if document != current:
                mem = x_btc.new_zeros(shape.n_kv_heads, shape.head_dim, n_values)
                current = document
            mem, read = step(b, t, mem)
            row.append(read)
        rows.append(row)
    return assemble(mixer, rows, x_btc)


def _read(q_hd: Tensor, mem_gde: Tensor) -> Tensor:
    """`[H, E]`: every query from the memory of its group."""
    group = q_hd.shape[0] // mem_gde.shape[0]
    return torch.einsum("hd,hde->he", q_hd, mem_gde.repeat_interleave(group, dim=0))


def _norm(mixer: LinearMixer, y_hd: Tensor) -> Tensor:
    assert mixer.y_norm is not None
    size = (y_hd.square().mean(-1, keepdim=True) + mixer.shape.norm_eps).sqrt()
    return y_hd / size * mixer.y_norm.weight
