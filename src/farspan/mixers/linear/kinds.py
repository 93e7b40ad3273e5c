"""The five linear mixers: what each makes of keys, decay and correction.

Axes: b row, t token, h head, g key-value head, d key feature, e value feature, x decay.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farspan.errors import RequestError
from farspan.mixers.base import AttentionShape
from farspan.mixers.linear.kernels import additive_rule, correcting_rule
from farspan.mixers.linear.mixer import Gates, LinearMixer, memory_dtype
from farspan.mixers.linear.state import LinearState
from farspan.positions.rotary import Rotary

NORMALISER_FLOOR = 1e-6  # Keys below -14 leave sums of features smaller than this.
LENGTH_FLOOR = 1e-6  # Keys far shorter than its root are not stretched to length 1.
GATE_RANK = 16
GATE_TEMPERATURE = 16.0
SHORTEST, LONGEST = 32.0, 4096.0  # Tokens in which fresh gates forget to 1/e.


class KernelAttention(LinearMixer):
    """Linear attention with phi = ELU + 1, normalised by the sum of keys (Katharopoulos 2020)."""

    def __init__(self, shape: AttentionShape, chunk: int = 64) -> None:
        super().__init__(shape, None, chunk, normed=False)

    def features(self, q_bthd: Tensor, k_btgd: Tensor) -> tuple[Tensor, Tensor]:
        """Both positive."""
        return _elu_plus_one(q_bthd), _elu_plus_one(k_btgd)

    def gates(self, x_btc: Tensor, dtype: torch.dtype) -> Gates:
        """None."""
        return Gates()

    def init_state(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> LinearState:
        """An empty memory and an empty sum of keys."""
        state = super().init_state(batch, device=device, dtype=dtype)
        return replace(state, key_sum_bgd=torch.zeros_like(state.mem_bgde[..., 0]))

    def recur(
        self,
        q_bthd: Tensor,
        k_btgd: Tensor,
        v_btge: Tensor,
        gates: Gates,
        state: LinearState,
        half: torch.dtype | None,
    ) -> tuple[Tensor, LinearState]:
        """The sum of keys is one more value feature, which is 1 for every token."""
        assert state.key_sum_bgd is not None
        v = F.pad(v_btge, (0, 1), value=1.0)
        mem = torch.cat((state.mem_bgde, state.key_sum_bgd.unsqueeze(-1)), dim=-1)
        y, mem = additive_rule(
            q_bthd, k_btgd, v, gates.log_decay_btgx, mem, chunk=self.chunk, half=half
        )
        after = replace(state, mem_bgde=mem[..., :-1], key_sum_bgd=mem[..., -1])
        return y[..., :-1] / (y[..., -1:] + NORMALISER_FLOOR), after

    def flops_a_query(self) -> int:
        """The sum of keys is one more value feature."""
        return super().flops_a_query() + 2 * (self.chunk + self.shape.head_dim)

    def flops_a_key(self) -> int:
        """The sum of keys is one more value feature."""
        return super().flops_a_key() + 2 * self.shape.head_dim

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """The same for any number of tokens: memory, sum of keys and document number."""
        keys = self.shape.kv_features * memory_dtype(dtype).itemsize
        return super().state_bytes(n_tokens, dtype) + keys


class _Decaying(LinearMixer):
    """An additive memory with decay, which its state adds up so that parts can be merged."""

    decays_a_head: int

    def features(self, q_bthd: Tensor, k_btgd: Tensor) -> tuple[Tensor, Tensor]:
        """Scores scaled as in attention."""
        return q_bthd * self.shape.head_dim**-0.5, k_btgd

    def init_state(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> LinearState:
        """An empty memory and no decay yet."""
        state = super().init_state(batch, device=device, dtype=dtype)
        log_decay = torch.zeros_like(state.mem_bgde[..., : self.decays_a_head, 0])
        return replace(state, log_decay_bgx=log_decay)

    def recur(
        self,
        q_bthd: Tensor,
        k_btgd: Tensor,
        v_btge: Tensor,
        gates: Gates,
        state: LinearState,
        half: torch.dtype | None,
    ) -> tuple[Tensor, LinearState]:
        """Decays, adds, reads."""
        assert state.log_decay_bgx is not None and gates.log_decay_btgx is not None
        log_decay = gates.log_decay_btgx
        y, mem = additive_rule(
            q_bthd, k_btgd, v_btge, log_decay, state.mem_bgde, chunk=self.chunk, half=half
        )
        total = state.log_decay_bgx + log_decay.sum(1)
        return y, replace(state, mem_bgde=mem, log_decay_bgx=total)

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """The same for any number of tokens: memory, total decay and document number."""
        decays = self.shape.n_kv_heads * self.decays_a_head * memory_dtype(dtype).itemsize
        return super().state_bytes(n_tokens, dtype) + decays


class Retention(_Decaying):
    """A fixed decay a head, rotary queries and keys, a norm a head (RetNet, Sun et al. 2023)."""

    decays_a_head = 1

    def __init__(self, shape: AttentionShape, rotary: Rotary | None, chunk: int = 64) -> None:
        super().__init__(shape, rotary, chunk, normed=True)

    def gates(self, x_btc: Tensor, dtype: torch.dtype) -> Gates:
        """1 - 2^(-5 - g) for key-value head g."""
        head = torch.arange(self.shape.n_kv_heads, dtype=dtype, device=x_btc.device)
        log_decay = torch.log1p(-(2.0 ** (-5 - head))).unsqueeze(-1)
        return Gates(log_decay.expand(*x_btc.shape[:2], -1, -1))


class GatedLinear(_Decaying):
    """A decay for every key feature, from the token itself (GLA, Yang et al. 2023)."""

    def __init__(self, shape: AttentionShape, chunk: int = 64) -> None:
        super().__init__(shape, None, chunk, normed=True)
        self.decays_a_head = shape.head_dim
        self.decay_down = nn.Linear(shape.d_model, GATE_RANK, bias=False)
        self.decay_up = nn.Linear(GATE_RANK, shape.kv_features)
        self.init_added()

    def gates(self, x_btc: Tensor, dtype: torch.dtype) -> Gates:
        """sigmoid(x W1 W2 + b)^(1/16)."""
        logits = self.decay_up(self.decay_down(x_btc)).to(dtype)
        log_decay = F.logsigmoid(logits) / GATE_TEMPERATURE
        return Gates(log_decay.unflatten(-1, (self.shape.n_kv_heads, -1)))

    def flops_a_query(self) -> int:
        """Scores are joined from pairs of blocks, without those that later blocks would waste."""
        return super().flops_a_query() - (self.chunk + 1) * self.shape.head_dim

    @torch.no_grad()
    def init_added(self) -> None:
        """Decays spread over time scales, the same for every token; small fixed W1, W2 = 0."""
        super().init_added()
        start = torch.empty(GATE_RANK, self.shape.d_model)
        scale = self.shape.d_model**-0.5
        self.decay_down.weight.copy_(start.normal_(0, scale, generator=_fixed_seed()))
        self.decay_up.weight.zero_()
        kept = torch.exp(-GATE_TEMPERATURE / _time_scales(self.shape.kv_features))
        self.decay_up.bias.copy_(torch.log(kept / (1 - kept)))


class DeltaRule(LinearMixer):
    """A memory that replaces what it holds under a key (Schlag et al. 2021, Yang et al. 2024).

    Queries and keys have length 1; each token chooses how far to correct, in 0 to 1, and if
    `decaying` how much each head forgets before (gated delta rule, Yang et al. 2024b).
    """

    def __init__(self, shape: AttentionShape, chunk: int = 64, *, decaying: bool = False) -> None:
        super().__init__(shape, None, chunk, normed=True)
        self.write = nn.Linear(shape.d_model, shape.n_kv_heads)
        self.decay = nn.Linear(shape.d_model, shape.n_kv_heads) if decaying else None
        self.init_added()

    def features(self, q_bthd: Tensor, k_btgd: Tensor) -> tuple[Tensor, Tensor]:
        """Of length 1, or shorter where they were next to nothing."""
        return _unit(q_bthd), _unit(k_btgd)

    def gates(self, x_btc: Tensor, dtype: torch.dtype) -> Gates:
        """How far each token corrects; exp(-softplus(x W + b)) is left of what was there."""
        write = self.write(x_btc).to(dtype).sigmoid()
        if self.decay is None:
            return Gates(None, write)
        return Gates(-F.softplus(self.decay(x_btc).to(dtype)).unsqueeze(-1), write)

    def init_part(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> LinearState:
        """A state that also keeps the map of any memory before it, `[D, D]` a head."""
        state = self.init_state(batch, device=device, dtype=dtype)
        eye = torch.eye(self.shape.head_dim, device=device, dtype=state.mem_bgde.dtype)
        return replace(state, map_bgdd=eye.expand_as(state.mem_bgde))

    def recur(
        self,
        q_bthd: Tensor,
        k_btgd: Tensor,
        v_btge: Tensor,
        gates: Gates,
        state: LinearState,
        half: torch.dtype | None,
    ) -> tuple[Tensor, LinearState]:
        """Corrects and reads; a part's map is carried as value features that get no values."""
        assert gates.write_btg is not None
        log_decay = gates.log_decay_btgx
        log_decay = None if log_decay is None else log_decay.squeeze(-1)
        mem, size = state.mem_bgde, v_btge.shape[-1]
        if state.map_bgdd is not None:
            mem = torch.cat((mem, state.map_bgdd), dim=-1)
            v_btge = F.pad(v_btge, (0, mem.shape[-1] - size))
        y, mem = correcting_rule(
            q_bthd, k_btgd, v_btge, gates.write_btg, log_decay, mem, chunk=self.chunk, half=half
        )
        map_ = None if state.map_bgdd is None else mem[..., size:]
        return y[..., :size], replace(state, mem_bgde=mem[..., :size], map_bgdd=map_)

    def merge(self, first: LinearState, second: LinearState) -> LinearState:
        """The second part's map of the first memory, and the second memory."""
        if second.map_bgdd is None:
            raise RequestError(
                "merge: the second state has no map of what stood before it; begin it with"
                " init_part instead of init_state"
            )
        return super().merge(first, second)

    def flops_a_key(self) -> int:
        """Products of keys, one triangular solve a chunk, and what the memory holds at each key."""
        chunk, d = self.chunk, self.shape.head_dim
        return super().flops_a_key() + 2 * (chunk * d + (chunk - 1) * d + d * d)

    @torch.no_grad()
    def init_added(self) -> None:
        """Every token corrects by half; time scales of decay are spread over heads."""
        super().init_added()
        self.write.weight.zero_()
        self.write.bias.zero_()
        if self.decay is not None:
            self.decay.weight.zero_()
            rate = 1 / _time_scales(self.shape.n_kv_heads)
            self.decay.bias.copy_(torch.log(torch.expm1(rate)))


def _elu_plus_one(x: Tensor) -> Tensor:
    """Exact also far below zero, where ELU + 1 cancels to nothing."""
    return F.relu(x) + x.clamp_max(0.0).exp()


def _unit(x: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().sum(-1, keepdim=True) + LENGTH_FLOOR)


def _time_scales(count: int) -> Tensor:
    """Tokens, evenly spread in their logarithm."""
    return torch.logspace(math.log10(SHORTEST), math.log10(LONGEST), count)


def _fixed_seed() -> torch.Generator:
    return torch.Generator().manual_seed(0)
