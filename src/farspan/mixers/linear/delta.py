"""Memories that correct: S_t = a_t (I - w_t k_t k_t^T) S_{t-1} + w_t k_t v_t^T, read as S_t^T q_t.

Within a chunk the corrections are one triangular system (the WY form of Yang et al. 2024); a whole
chunk is an affine map of the memory, S' = A S + B, applied as S + K^T (free - bound S).
Axes: b row, t token, h head, g key-value head, r query of a group, n chunk, c token of a chunk, d
key feature, e value feature.
"""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.linear.chunks import after, chunk_size, cut, join, ratios, until


def delta_rule(
    q_bthd: Tensor,
    k_btgd: Tensor,
    v_btge: Tensor,
    write_btg: Tensor,
    log_decay_btg: Tensor | None,
    mem_bgde: Tensor,
    *,
    chunk: int = 64,
) -> tuple[Tensor, Tensor]:
    """Reads each token from the memory after it: `[B, T, H, E]` and the memory after the last.

    Keys have length at most 1 and `write_btg` is in 0 to 1, so the memory cannot grow from its own
    content. All tensors are of the memory's dtype; `chunk` is a power of two.
    """
    n_tokens, n_groups = k_btgd.shape[1:3]
    size = chunk_size(n_tokens, chunk)
    q = cut(q_bthd.unflatten(2, (n_groups, -1)), size)  # b g n c r d
    k, v = cut(k_btgd, size), cut(v_btge, size)
    write = cut(write_btg.unsqueeze(-1), size)
    if log_decay_btg is None:
        log_decay = torch.zeros_like(write)
    else:
        log_decay = cut(log_decay_btg.unsqueeze(-1), size)
    ratio = ratios(log_decay.squeeze(-1))
    free, bound = corrections(k, v, write, log_decay, ratio)
    kept = log_decay.sum(-2, keepdim=True).exp()
    before, added, mem_bgde = _carry(free, bound, (k * after(log_decay)).mT, kept, mem_bgde)
    scores = (q.flatten(-3, -2) @ k.mT).unflatten(-2, q.shape[-3:-1]) * ratio.unsqueeze(-2)
    q = q * until(log_decay).unsqueeze(-2)
    y = scores.flatten(-3, -2) @ added + q.flatten(-3, -2) @ before
    return join(y.unflatten(-2, (size, -1)), n_tokens), mem_bgde


def corrections(
    k: Tensor, v: Tensor, write: Tensor, log_decay: Tensor, ratio: Tensor
) -> tuple[Tensor, Tensor]:
    """What each token adds at its key, `free - bound @ S`, S being the memory before the chunk.

    Solves (I + L) u = w (v - decayed S^T k) with L_ij = w_i k_i.k_j decayed from j to i, j < i.
    Shapes `[..., C, E]` and `[..., C, D]`.
    """
    system = (write * (k @ k.mT) * ratio).tril(-1)
    right = write * torch.cat((v, k * until(log_decay)), dim=-1)
    solved = torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)
    free, bound = solved.split([v.shape[-1], k.shape[-1]], dim=-1)
    return free, bound


def _carry(
    free: Tensor, bound: Tensor, keys: Tensor, kept: Tensor, mem: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The memory before each chunk, what its tokens add at their keys, and the last memory.

    Kept as corrections of the memory, not multiplied out to a matrix, whose rounding would touch
    what no key points at.
    """
    before, added = [], []
    for n in range(free.shape[2]):
        before.append(mem)
        added.append(free[:, :, n] - bound[:, :, n] @ mem)
        mem = kept[:, :, n] * mem + keys[:, :, n] @ added[-1]
    return torch.stack(before, dim=2), torch.stack(added, dim=2), mem
