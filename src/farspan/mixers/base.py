"""The contract that every token mixer obeys.

    state = mixer.init_state(batch)
    y, state = mixer(x, tokens, state)      # x: the next chunk, of any length

Axes: b batch, t token of the chunk, s key, h head, d feature.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farspan.memory.scan import AttentionWatch
from farspan.memory.search import Search
from farspan.positions.rotary import Rotary, rotate


class Shards(Protocol):
    """The ranks that hold consecutive parts of a chunk (`parallel.sequence`)."""

    @property
    def nothing_asked(self) -> bool:
        """Whether no rank has an asked token of a plain chunk."""

    def only_asked(self) -> Shards:
        """The same ranks with the asked tokens of a plain chunk alone."""

    def mix(
        self, mixer: AttentionMixer, x_btc: Tensor, tokens: Tokens, state: Any
    ) -> tuple[Tensor, Any]:
        """The mixer over the whole chunk, as far as this rank's part goes."""


@dataclass(frozen=True)
class Tokens:
    """What a mixer may know of a chunk besides its features, each `[B, T]`.

    `position_bt` counts within a document, `document_bt` names it (-1 is padding, which nothing
    attends to and whose output is zero), `asked_bt` tells question, answer and chat tokens from
    read ones. `first_asked` is set when the chunk is plain: one document per row that continues
    the rows before, no padding, read tokens up to that index and asked ones from it; mixers take
    their fast path there, and `start` is the position of the chunk's first token. `table` is the
    rotary table of the positions, computed once a chunk. `watch`, if given, collects where recall
    layers look. With `search`, asked tokens see what the index of a store on disk finds; without
    it, all of the store. `times_bn`, in training, tells how often each segment of a compressive
    memory counts, powers of two (see `data.passkey.repeats`). With `shards` the chunk is one rank's
    part of a longer one.
    """

    position_bt: Tensor
    document_bt: Tensor
    asked_bt: Tensor
    first_asked: int | None = None
    start: int = 0
    table: tuple[Tensor, Tensor] | None = None
    watch: AttentionWatch | None = None
    search: Search | None = None
    times_bn: Tensor | None = None
    shards: Shards | None = None

    @classmethod
    def plain(
        cls,
        batch: int,
        length: int,
        *,
        start: int = 0,
        first_asked: int | None = None,
        device: torch.device | str | None = None,
    ) -> Tokens:
        """A contiguous chunk from position `start`; all read unless `first_asked` is given."""
        first = length if first_asked is None else first_asked
        place = torch.arange(length, device=device).expand(batch, length)
        return cls(place + start, torch.zeros_like(place), place >= first, first, start)

    @property
    def is_plain(self) -> bool:
        """Whether the fast paths apply."""
        return self.first_asked is not None

    @property
    def valid_bt(self) -> Tensor:
        """False at padding."""
        return self.document_bt >= 0

    def with_table(self, rotary: Rotary, dtype: torch.dtype) -> Tokens:
        """The same tokens with their rotary table."""
        return replace(self, table=rotary.table(self.position_bt, dtype))

    def generic(self) -> Tokens:
        """The same tokens without the promise of plainness."""
        return replace(self, first_asked=None)

    def slice(self, start: int, stop: int) -> Tokens:
        """Tokens `start` to `stop` of the chunk."""
        first = self.first_asked
        if first is not None:
            first = min(max(first - start, 0), stop - start)
        table = self.table
        if table is not None:
            table = (table[0][:, start:stop], table[1][:, start:stop])
        return Tokens(
            self.position_bt[:, start:stop],
            self.document_bt[:, start:stop],
            self.asked_bt[:, start:stop],
            first,
            self.start + start,
            table,
            self.watch,
            self.search,
        )

    def only_asked(self) -> Tokens:
        """Read tokens turned into padding: what layers above the read depth see."""
        hidden = torch.where(self.asked_bt, self.document_bt, -1)
        return replace(self, document_bt=hidden, first_asked=None)


@dataclass(frozen=True)
class AttentionShape:
    """Sizes of an attention layer: features, query heads, key-value heads, features a head.

    Queries are scaled by `query_scale` beside the usual 1 / sqrt(head_dim); with `norm_offset`
    norms of queries and keys scale by 1 + weight.
    """

    d_model: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    bias: bool = False
    qk_norm: bool = False
    norm_eps: float = 1e-6
    norm_offset: bool = False
    query_scale: float = 1.0

    @property
    def kv_features(self) -> int:
        """Features of all key heads of one token."""
        return self.n_kv_heads * self.head_dim


class OffsetNorm(nn.RMSNorm):
    """RMS norm that scales by 1 + weight, in float32 (Gemma)."""

    def reset_parameters(self) -> None:
        """Begins as a plain norm."""
        nn.init.zeros_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Normed over the last axis."""
        width = self.weight.shape
        return F.rms_norm(x.float(), width, 1 + self.weight.float(), self.eps).to(x.dtype)


class AttentionMixer(nn.Module, ABC):
    """Projections shared by the mixers that attend over keys and values.

    Queries, keys and values come from one matrix, in this order. `rotary` is None for mixers
    without positions; where its `scores` choose angles by pair, queries and keys come to `attend`
    unturned. Subclasses give `init_state`, `attend`, `merge` and `state_bytes`.
    """

    def __init__(self, shape: AttentionShape, rotary: Rotary | None) -> None:
        super().__init__()
        self.shape = shape
        self.rotary = rotary
        queries = shape.n_heads * shape.head_dim
        self.qkv = nn.Linear(shape.d_model, queries + 2 * shape.kv_features, bias=shape.bias)
        self.out = nn.Linear(queries, shape.d_model, bias=False)
        norm = OffsetNorm if shape.norm_offset else nn.RMSNorm
        self.q_norm = norm(shape.head_dim, shape.norm_eps) if shape.qk_norm else None
        self.k_norm = norm(shape.head_dim, shape.norm_eps) if shape.qk_norm else None

    @abstractmethod
    def init_state(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Any:
        """The state before the first token."""

    def init_part(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Any:
        """The state before a later part of a sequence, to be merged behind the earlier ones."""
        return self.init_state(batch, device=device, dtype=dtype)

    def init_added(self) -> None:
        """Sets the parameters that pretrained checkpoints lack, the same every time."""

    @abstractmethod
    def attend(
        self, q_bthd: Tensor, k_bthd: Tensor, v_bthd: Tensor, tokens: Tokens, state: Any
    ) -> tuple[Tensor, Any]:
        """Mixed values `[B, T, H, D]` and the state after the chunk."""

    @abstractmethod
    def merge(self, first: Any, second: Any) -> Any:
        """The state of two parts from the states of each: the fold that ranks share."""

    @abstractmethod
    def flops(self, n_tokens: int) -> int:
        """Operations, two a multiply-add, between projections and output for `n_tokens` read.

        Products of queries, keys, values and memories count, elementwise work does not.
        """

    @abstractmethod
    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """Bytes that the state of one row holds after `n_tokens`."""

    def absorb(self, x_btc: Tensor, tokens: Tokens, state: Any) -> Any:
        """The state after the chunk, for layers whose output nothing needs."""
        return self(x_btc, tokens, state)[1]

    def project(self, x_btc: Tensor, tokens: Tokens) -> tuple[Tensor, Tensor, Tensor]:
        """Queries `[B, T, H, D]`, keys and values `[B, T, Hkv, D]`, rotated."""
        q, k, v = self.split_heads(x_btc)
        return *self.position(q, k, tokens), v

    def split_heads(self, x_btc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries `[B, T, H, D]`, keys and values `[B, T, Hkv, D]`, as they are projected."""
        shape = self.shape
        sizes = [shape.n_heads * shape.head_dim, shape.kv_features, shape.kv_features]
        q, k, v = (
            part.unflatten(-1, (-1, shape.head_dim)) for part in self.qkv(x_btc).split(sizes, -1)
        )
        return q, k, v

    def project_kv(self, x_btc: Tensor, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Keys and values alone, for tokens that are written and do not attend."""
        if type(self.qkv) is not nn.Linear:  # an adapter stands beside it
            q, k, v = self.split_heads(x_btc)
            return self.position(q, k, tokens)[1], v
        shape = self.shape
        if type(self.qkv) is not nn.Linear:  # an adapter around the matrix counts too
            _, k, v = self.split_heads(x_btc)
            return self.position(k, k, tokens)[1], v
        start = shape.n_heads * shape.head_dim
        bias = None if self.qkv.bias is None else self.qkv.bias[start:]
        kv = F.linear(x_btc, self.qkv.weight[start:], bias)
        k, v = (part.unflatten(-1, (-1, shape.head_dim)) for part in kv.chunk(2, -1))
        return self.position(k, k, tokens)[1], v

    def normalise(self, q_bthd: Tensor, k_bthd: Tensor) -> tuple[Tensor, Tensor]:
        """Queries and keys behind the checkpoint's own norms and scale, where it has them."""
        if self.q_norm is not None and self.k_norm is not None:
            q_bthd, k_bthd = self.q_norm(q_bthd), self.k_norm(k_bthd)
        if self.shape.query_scale != 1.0:
            q_bthd = q_bthd * self.shape.query_scale
        return q_bthd, k_bthd

    def position(self, q_bthd: Tensor, k_bthd: Tensor, tokens: Tokens) -> tuple[Tensor, Tensor]:
        """Normalised and rotated queries and keys, where the layer has norms and positions."""
        q_bthd, k_bthd = self.normalise(q_bthd, k_bthd)
        if self.rotary is None or self.rotary.scores is not None:
            return q_bthd, k_bthd
        table = tokens.table or self.rotary.table(tokens.position_bt, q_bthd.dtype)
        return rotate(q_bthd, table), rotate(k_bthd, table)

    def forward(self, x_btc: Tensor, tokens: Tokens, state: Any) -> tuple[Tensor, Any]:
        """One chunk: features `[B, T, C]` in, features and the next state out."""
        y_bthd, state = self.attend(*self.project(x_btc, tokens), tokens, state)
        return self.out(y_bthd.flatten(2)), state
