"""The gated delta rule, token by token within a segment (Yang, Kautz, Hatamizadeh 2024).

M_t = a_t (I - b_t k_t k_t') M_{t-1} + b_t k_t v_t', with k of length one, write strength b in
(0, 1) and decay a in (0, 1]. A chunk of tokens is an affine map of M, found through one triangular
solve (the WY form); chunks are joined pairwise.

Axes as in memory.py; c chunk, t and u tokens of a chunk.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farspan.mixers.base import AttentionShape
from farspan.mixers.infini.memory import MemoryRule, Segments, memory_dtype

CHUNK = 64
HALF_LIVES = (2.0**14, 2.0**30)
"""Tokens after which an idle head has lost half, from the first memory head to the last."""


def unit(x: Tensor) -> Tensor:
    """Vectors of length one, in the memory's dtype; zero stays zero."""
    x = x.to(memory_dtype(x.dtype))
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + 1e-12)


class GatedDeltaRule(MemoryRule):
    """Per-token delta rule with learned write strength and decay; read q M with q of length one.

    The gates are `sigmoid(write)` and `exp(-rate * 2 sigmoid(forget))`; `log_rate` is a parameter
    of each head, begun at half-lives between 16K and 2^30 tokens, so that some heads follow the
    text and some never forget.
    """

    n_gates = 2

    def __init__(self, shape: AttentionShape) -> None:
        super().__init__(shape)
        self.log_rate = nn.Parameter(torch.empty(shape.n_kv_heads))
        self.init_added()

    def init_added(self) -> None:
        """Half-lives spread evenly in their logarithm."""
        first, last = (math.log(math.log(2) / life) for life in HALF_LIVES)
        with torch.no_grad():
            self.log_rate.copy_(torch.linspace(first, last, len(self.log_rate)))

    def key_features(self, k: Tensor) -> Tensor:
        """k / |k|."""
        return unit(k)

    def strengths(self, gates: Tensor) -> tuple[Tensor, Tensor]:
        """Write strength and logarithm of the decay, `[..., G]`, from `[..., G, 2]`."""
        write, forget = gates.to(memory_dtype(gates.dtype)).sigmoid().unbind(-1)
        return write, -2 * forget * self.log_rate.to(forget.dtype).exp()

    def maps(
        self, segments: Segments, features: Tensor, total_bngd: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """One map a segment, from those of its chunks."""
        write, decay = self.strengths(segments.gates)
        k, v, write, decay = (
            _in_chunks(x.transpose(2, 3))
            for x in (features, segments.v.to(features.dtype), write[..., None], decay[..., None])
        )
        maps, adds = _join(*chunk_maps(k, v, write.squeeze(-1), decay.squeeze(-1)))
        return _repeat(maps, adds, segments.times_bn)

    def write_flops(self, segment: int) -> int:
        """A triangular solve and two products a chunk, joins of chunks, and the last map."""
        size, d = min(CHUNK, segment), self.shape.head_dim
        chunks = -(-segment // size)
        solve = 2 * size * size * d + 2 * size * (size - 1) * d
        return chunks * (solve + 4 * size * d * d) + (chunks - 1) * 4 * d**3 + 2 * d**3


def _in_chunks(x_bngsd: Tensor) -> Tensor:
    """`[B, N, G, S, D]` to `[B, N, G, C, T, D]`; zeros fill the last chunk and write nothing."""
    size = min(CHUNK, x_bngsd.shape[3])
    missing = -x_bngsd.shape[3] % size
    return F.pad(x_bngsd, (0, 0, 0, missing)).unflatten(3, (-1, size))


def chunk_maps(k: Tensor, v: Tensor, write: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
    """Affine maps `[..., D, D]` and `[..., D, E]` of chunks of tokens.

    Keys `[..., T, D]` of length one, values `[..., T, E]`, write strengths and logarithms of
    decays `[..., T]`. All decays enter as ratios of at most one, so nothing overflows.
    """
    size = k.shape[-2]
    passed = decay.cumsum(-1)
    order = torch.ones(size, size, dtype=torch.bool, device=k.device).tril(-1)
    between = (passed.unsqueeze(-1) - passed.unsqueeze(-2)).masked_fill(~order, -torch.inf).exp()
    lower = write.unsqueeze(-1) * between * (k @ k.transpose(-1, -2))
    eye = torch.eye(size, device=k.device, dtype=k.dtype)
    right = torch.cat((passed.exp().unsqueeze(-1) * k, v), dim=-1) * write.unsqueeze(-1)
    solved = torch.linalg.solve_triangular(lower + eye, right, upper=False, unitriangular=True)
    from_memory, from_values = solved.split([k.shape[-1], v.shape[-1]], dim=-1)
    left = ((passed[..., -1:] - passed).exp().unsqueeze(-1) * k).transpose(-1, -2)
    kept = passed[..., -1].exp()[..., None, None] * torch.eye(
        k.shape[-1], device=k.device, dtype=k.dtype
    )
    return kept - left @ from_memory, left @ from_values


def _repeat(maps: Tensor, adds: Tensor, times_bn: Tensor | None) -> tuple[Tensor, Tensor]:
    """Each segment's map `times_bn` (powers of two) times over, by squaring."""
    if times_bn is None:
        return maps, adds
    left = times_bn[:, :, None, None, None]
    while bool((left > 1).any()):
        more = left > 1
        adds = torch.where(more, maps @ adds + adds, adds)
        maps = torch.where(more, maps @ maps, maps)
        left = left / 2
    return maps, adds


def _join(maps: Tensor, adds: Tensor) -> tuple[Tensor, Tensor]:
    """The maps of consecutive chunks (axis 3) as one, joined pairwise."""
    while maps.shape[3] > 1:
        pairs = maps.shape[3] // 2
        odd = maps[:, :, :, 2 * pairs :], adds[:, :, :, 2 * pairs :]
        m = maps[:, :, :, : 2 * pairs].unflatten(3, (pairs, 2))
        a = adds[:, :, :, : 2 * pairs].unflatten(3, (pairs, 2))
        (m1, m2), (a1, a2) = m.unbind(4), a.unbind(4)
        maps = torch.cat((m2 @ m1, odd[0]), dim=3)
        adds = torch.cat((m2 @ a1 + a2, odd[1]), dim=3)
    return maps.squeeze(3), adds.squeeze(3)
