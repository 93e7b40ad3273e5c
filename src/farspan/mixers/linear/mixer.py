"""What the linear mixers share: documents, padding, precision, and a state of fixed size.

Axes: b row, t token, h head, g key-value head, d key feature, e value feature, x decay.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.linear.kernels import kernel_dtype
from farspan.mixers.linear.state import LinearState, document_starts, merge_states
from farspan.positions.rotary import Rotary


@dataclass(frozen=True)
class Gates:
    """What a token decides besides query, key and value.

    `log_decay_btgx` (at most 0) is what it leaves of the memory before it, one a head or one a key
    feature; `write_btg` (0 to 1) how far it corrects.
    """

    log_decay_btgx: Tensor | None = None
    write_btg: Tensor | None = None


class LinearMixer(AttentionMixer):
    """A memory matrix for each key-value head, read by every query of its group.

    Subclasses give `features`, `gates` and `recur`. `chunk` tokens, a power of two, are computed at
    once; it changes speed, not results. Memory and arithmetic are float32 at least.
    """

    def __init__(
        self, shape: AttentionShape, rotary: Rotary | None, chunk: int, *, normed: bool
    ) -> None:
        super().__init__(shape, rotary)
        self.chunk = chunk
        self.y_norm = nn.RMSNorm(shape.head_dim, shape.norm_eps) if normed else None

    @abstractmethod
    def features(self, q_bthd: Tensor, k_btgd: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys as the memory takes them."""

    @abstractmethod
    def gates(self, x_btc: Tensor, dtype: torch.dtype) -> Gates:
        """The gates of each token, computed in `dtype`."""

    @abstractmethod
    def recur(
        self,
        q_bthd: Tensor,
        k_btgd: Tensor,
        v_btge: Tensor,
        gates: Gates,
        state: LinearState,
        half: torch.dtype | None,
    ) -> tuple[Tensor, LinearState]:
        """Reads, and the state after the chunk with the document still that of `state`.

        `half` is the dtype in which GPU kernels may compute, if they apply.
        """

    def init_state(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> LinearState:
        """An empty memory."""
        shape = (batch, self.shape.n_kv_heads, self.shape.head_dim, self.shape.head_dim)
        mem = torch.zeros(shape, device=device, dtype=memory_dtype(dtype))
        return LinearState(mem, torch.full((batch,), -1, dtype=torch.int32, device=device))

    def forward(
        self, x_btc: Tensor, tokens: Tokens, state: LinearState
    ) -> tuple[Tensor, LinearState]:
        """One chunk: features `[B, T, C]` in, features and the next state out."""
        gates = self.gates(x_btc, state.mem_bgde.dtype)
        y_bthe, state = self.attend(*self.project(x_btc, tokens), tokens, state, gates)
        return self.out(y_bthe.flatten(2)), state

    def attend(
        self,
        q_bthd: Tensor,
        k_bthd: Tensor,
        v_bthd: Tensor,
        tokens: Tokens,
        state: LinearState,
        gates: Gates | None = None,
    ) -> tuple[Tensor, LinearState]:
        """Reads every token from the memory after it; `gates` come from `gates(x)`."""
        assert gates is not None, "forward computes the gates"
        dtype = state.mem_bgde.dtype
        q, k, v = (x.to(dtype) for x in (q_bthd, k_bthd, v_bthd))
        document = tokens.document_bt[:, -1].int()
        with torch.autocast(q.device.type, enabled=False):
            q, k = self.features(q, k)
            if not tokens.is_plain:
                starts, document = document_starts(tokens, state.document_b)
                k, gates = _masked(k, gates, tokens.valid_bt, starts)
            y, after = self.recur(q, k, v, gates, state, kernel_dtype(v_bthd, tokens))
        y = y.to(v_bthd.dtype)
        if self.y_norm is not None:
            y = self.y_norm(y)
        if not tokens.is_plain:
            y = y * tokens.valid_bt[:, :, None, None]
        return y, replace(after, document_b=document)

    def merge(self, first: LinearState, second: LinearState) -> LinearState:
        """What decay or correction leaves of the first memory, and the second."""
        return merge_states(first, second)

    def flops(self, n_tokens: int) -> int:
        """Those of the chunked form: scores within a chunk, and the memory written and read."""
        per_token = (
            self.shape.n_heads * self.flops_a_query() + self.shape.n_kv_heads * self.flops_a_key()
        )
        return n_tokens * per_token

    def flops_a_query(self) -> int:
        """For a query head: scores over a chunk, their sum of values, and a read of the memory."""
        d = self.shape.head_dim
        return 2 * (2 * self.chunk * d + d * d)

    def flops_a_key(self) -> int:
        """For a key-value head: a write into the memory."""
        return 2 * self.shape.head_dim**2

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """The same for any number of tokens: memory and document number."""
        return self.shape.kv_features * self.shape.head_dim * memory_dtype(dtype).itemsize + 4

    @torch.no_grad()
    def init_added(self) -> None:
        """The output norm starts at 1."""
        if self.y_norm is not None:
            self.y_norm.weight.fill_(1.0)


def memory_dtype(dtype: torch.dtype | None) -> torch.dtype:
    """float32, or float64 where the model computes in it."""
    return torch.promote_types(dtype or torch.float32, torch.float32)


def _masked(
    k_btgd: Tensor, gates: Gates, valid_bt: Tensor, starts_bt: Tensor
) -> tuple[Tensor, Gates]:
    """Padding writes nothing and decays nothing; the first token of a document forgets all."""
    k = k_btgd.masked_fill(~valid_bt[:, :, None, None], 0.0)
    log_decay, write = gates.log_decay_btgx, gates.write_btg
    if log_decay is None:
        log_decay = torch.zeros_like(k[..., :1])
    log_decay = log_decay.masked_fill(~valid_bt[:, :, None, None], 0.0)
    log_decay = log_decay.masked_fill(starts_bt[:, :, None, None], -torch.inf)
    if write is not None:
        write = write.masked_fill(~valid_bt.unsqueeze(-1), 0.0)
    return k, Gates(log_decay, write)
