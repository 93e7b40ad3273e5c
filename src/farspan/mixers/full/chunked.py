"""Full causal attention with a growing state.

Axes: b row, t token of the chunk, s stored token, h head, d feature.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from farspan.memory.store import MemoryStore
from farspan.mixers.attention import causal_attention, causal_mask, masked_attention
from farspan.mixers.base import AttentionMixer, Tokens


@dataclass(frozen=True)
class FullState:
    """All keys and values so far, and the document of each, int32 `[B, S]`."""

    store: MemoryStore
    document_bs: Tensor


class FullAttention(AttentionMixer):
    """Softmax attention of each token over its document up to itself (Vaswani et al. 2017)."""

    def init_state(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> FullState:
        """No keys yet."""
        shape = self.shape
        store = MemoryStore.empty(
            batch, shape.n_kv_heads, shape.head_dim, device=device, dtype=dtype
        )
        return FullState(store, torch.empty(batch, 0, dtype=torch.int32, device=device))

    def attend(
        self, q_bthd: Tensor, k_bthd: Tensor, v_bthd: Tensor, tokens: Tokens, state: FullState
    ) -> tuple[Tensor, FullState]:
        """Appends the chunk and attends to everything up to each token."""
        store = state.store.append(k_bthd, v_bthd)
        document = torch.cat((state.document_bs, tokens.document_bt.int()), dim=1)
        if tokens.is_plain:
            y = causal_attention(q_bthd, store.k_bshd, store.v_bshd)
        else:
            mask = causal_mask(tokens, document)
            y = masked_attention(q_bthd, store.k_bshd, store.v_bshd, mask)
        return y, FullState(store, document)

    def merge(self, first: FullState, second: FullState) -> FullState:
        """Concatenation."""
        store = first.store.append(second.store.k_bshd, second.store.v_bshd)
        return FullState(store, torch.cat((first.document_bs, second.document_bs), dim=1))

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """Keys, values and the document number of every token."""
        return n_tokens * (2 * self.shape.kv_features * dtype.itemsize + 4)
