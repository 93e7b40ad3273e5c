"""Recall: read tokens see a window and are written; asked tokens see the whole store.

Axes: b row, t token of the chunk, s stored token, h head, d feature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from farspan.errors import RequestError
from farspan.memory.scan import attend_store
from farspan.memory.search import attend_found
from farspan.memory.store import KeyValueStore, MemoryStore
from farspan.mixers.attention import (
    attention_flops,
    causal_attention,
    causal_mask,
    masked_attention,
)
from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.window.chunked import Kept, as_kept, keep_recent, nothing_kept, window_mask

SCALE_FROM = 4096  # Positions up to here were common in pretraining; queries grow beyond.


@dataclass(frozen=True)
class RecallState:
    """Every key and value so far, and the last `window - 1` again, for reading.

    `position_bs` and `document_bs` (int32) tell the stored tokens apart where rows are packed or
    padded; a store on disk holds one plain row and leaves them out.
    """

    store: KeyValueStore
    recent: Kept
    position_bs: Tensor | None
    document_bs: Tensor | None

    def fork(self) -> RecallState:
        """A state whose appends leave this one's store untouched."""
        return replace(self, store=self.store.fork())


class RecallAttention(AttentionMixer):
    """Position-free attention over a store, for asked tokens; a window of it for read ones.

    Queries of asked tokens are multiplied by max(1, ln(position + 1) / ln 4096), which keeps
    softmax as sharp over a million keys as over four thousand.
    """

    def __init__(self, shape: AttentionShape, window: int) -> None:
        if window < 1:
            raise RequestError(f"recall({window}): a window holds at least 1 token")
        super().__init__(shape, None)
        self.window = window

    def init_state(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        store: KeyValueStore | None = None,
    ) -> RecallState:
        """An empty state, or one that writes to `store` (one plain row)."""
        shape = self.shape
        recent = nothing_kept(batch, shape, device, dtype)
        if store is not None:
            return RecallState(store, recent, None, None)
        empty = MemoryStore.empty(
            batch, shape.n_kv_heads, shape.head_dim, device=device, dtype=dtype
        )
        return RecallState(empty, recent, recent.position_bs, recent.document_bs)

    def write(
        self, k_bthd: Tensor, v_bthd: Tensor, tokens: Tokens, state: RecallState
    ) -> RecallState:
        """The state after the chunk."""
        chunk = as_kept(k_bthd, v_bthd, tokens)
        position, document = state.position_bs, state.document_bs
        if position is not None and document is not None:
            position = torch.cat((position, chunk.position_bs), dim=1)
            document = torch.cat((document, chunk.document_bs), dim=1)
        return RecallState(
            state.store.append(k_bthd, v_bthd),
            keep_recent(state.recent, chunk, self.window - 1, tokens.is_plain),
            position,
            document,
        )

    def absorb(self, x_btc: Tensor, tokens: Tokens, state: RecallState) -> RecallState:
        """The state alone: what the last recall layer does with read tokens."""
        return self.write(*self.project_kv(x_btc, tokens), tokens, state)

    def attend(
        self,
        q_bthd: Tensor,
        k_bthd: Tensor,
        v_bthd: Tensor,
        tokens: Tokens,
        state: RecallState,
    ) -> tuple[Tensor, RecallState]:
        """Writes the chunk; read tokens attend to their window, asked ones to everything."""
        after = self.write(k_bthd, v_bthd, tokens, state)
        q_bthd = self.sharpen(q_bthd, tokens)
        seen = state.recent.cat(as_kept(k_bthd, v_bthd, tokens))
        if not tokens.is_plain:
            return self._attend_masked(q_bthd, tokens, seen, after), after
        first = tokens.first_asked
        assert first is not None
        parts = []
        if first > 0:
            n_seen = seen.k_bshd.shape[1] - (q_bthd.shape[1] - first)
            k, v = seen.k_bshd[:, :n_seen], seen.v_bshd[:, :n_seen]
            parts.append(causal_attention(q_bthd[:, :first], k, v, window=self.window))
        if first < q_bthd.shape[1]:
            parts.append(_attend_all(q_bthd[:, first:], after.store, tokens))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1), after

    def merge(self, first: RecallState, second: RecallState) -> RecallState:
        """Stores in order; the last tokens of both."""
        store = second.store
        if not isinstance(store, MemoryStore):
            raise RequestError("only a store in memory can be merged behind another")
        metas = []
        for one, two in (
            (first.position_bs, second.position_bs),
            (first.document_bs, second.document_bs),
        ):
            metas.append(None if one is None or two is None else torch.cat((one, two), dim=1))
        recent = keep_recent(first.recent, second.recent, self.window - 1, plain=False)
        return RecallState(first.store.append(store.k_bshd, store.v_bshd), recent, *metas)

    def flops(self, n_tokens: int) -> int:
        """Those of the window: read tokens see no more."""
        return attention_flops(self.shape, n_tokens, self.window)

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """The store, wherever it is, and the window; 8 bytes a token tell where it stands."""
        row = 2 * self.shape.kv_features * dtype.itemsize + 8
        return (n_tokens + min(n_tokens, self.window - 1)) * row

    def sharpen(self, q_bthd: Tensor, tokens: Tokens) -> Tensor:
        """Queries, those of asked tokens scaled by the length they look through."""
        scale = torch.log(tokens.position_bt.double() + 1) / math.log(SCALE_FROM)
        scale = torch.where(tokens.asked_bt, scale.clamp_min(1.0), 1.0)
        return q_bthd * scale.to(q_bthd.dtype)[:, :, None, None]

    def _attend_masked(
        self, q_bthd: Tensor, tokens: Tokens, seen: Kept, after: RecallState
    ) -> Tensor:
        store = after.store
        if not isinstance(store, MemoryStore) or after.document_bs is None:
            raise RequestError("a store on disk takes one row without padding or packing")
        near = window_mask(tokens, seen.document_bs, self.window)
        read = masked_attention(q_bthd, seen.k_bshd, seen.v_bshd, near)
        whole = causal_mask(tokens, after.document_bs)
        asked = masked_attention(q_bthd, store.k_bshd, store.v_bshd, whole)
        return torch.where(tokens.asked_bt[:, :, None, None], asked, read)


def _attend_all(q_bthd: Tensor, store: KeyValueStore, tokens: Tokens) -> Tensor:
    """Asked queries over the store, found or scanned, by the kernel that fits where it lies."""
    if tokens.search is not None:
        return attend_found(q_bthd, store, tokens.search, tokens.watch)
    dense = isinstance(store, MemoryStore) and (q_bthd.is_cuda or q_bthd.requires_grad)
    if dense and tokens.watch is None:
        assert isinstance(store, MemoryStore)
        return causal_attention(q_bthd, store.k_bshd, store.v_bshd)
    return attend_store(q_bthd, store, tokens.watch)
