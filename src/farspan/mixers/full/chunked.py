"""Full causal attention with a growing state.

Axes: b row, t token of the chunk, s stored token, h head, d feature.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from farspan.memory.store import MemoryStore
from farspan.mixers.attention import (
    attention_flops,
    causal_attention,
    causal_mask,
    masked_attention,
)
from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.scores import scored_attention
from farspan.positions.rotary import Rotary
from farspan.positions.temperature import LogLength


@dataclass(frozen=True)
class FullState:
    """All keys and values so far, and the document of each, int32 `[B, S]`.

    `position_bs` int32 is there where scores depend on the pair of positions.
    """

    store: MemoryStore
    document_bs: Tensor
    position_bs: Tensor | None = None


class FullAttention(AttentionMixer):
    """Softmax attention of each token over its document up to itself (Vaswani et al. 2017).

    `temperature` sharpens queries that see many keys.
    """

    def __init__(
        self, shape: AttentionShape, rotary: Rotary | None, temperature: LogLength | None = None
    ) -> None:
        super().__init__(shape, rotary)
        self.temperature = temperature

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
        nothing = torch.empty(batch, 0, dtype=torch.int32, device=device)
        return FullState(store, nothing, nothing if self.by_pair else None)

    def attend(
        self, q_bthd: Tensor, k_bthd: Tensor, v_bthd: Tensor, tokens: Tokens, state: FullState
    ) -> tuple[Tensor, FullState]:
        """Appends the chunk and attends to everything up to each token."""
        store = state.store.append(k_bthd, v_bthd)
        document = torch.cat((state.document_bs, tokens.document_bt.int()), dim=1)
        if self.temperature is not None:
            q_bthd = self.temperature.sharpen(q_bthd, tokens.position_bt)
        if state.position_bs is not None:
            assert self.rotary is not None
            place = torch.cat((state.position_bs, tokens.position_bt.int()), dim=1)
            y = scored_attention(q_bthd, store.k_bshd, store.v_bshd, place, document, self.rotary)
            return y, FullState(store, document, place)
        if tokens.is_plain:
            y = causal_attention(q_bthd, store.k_bshd, store.v_bshd)
        else:
            mask = causal_mask(tokens, document)
            y = masked_attention(q_bthd, store.k_bshd, store.v_bshd, mask)
        return y, FullState(store, document)

    def merge(self, first: FullState, second: FullState) -> FullState:
        """Concatenation."""
        store = first.store.append(second.store.k_bshd, second.store.v_bshd)
        document = torch.cat((first.document_bs, second.document_bs), dim=1)
        if first.position_bs is None or second.position_bs is None:
            return FullState(store, document)
        return FullState(store, document, torch.cat((first.position_bs, second.position_bs), dim=1))

    def flops(self, n_tokens: int) -> int:
        """A product with the key and one with the value for each visible pair and head."""
        return attention_flops(self.shape, n_tokens)

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """Keys, values and the document number of every token, its position if scores need it."""
        numbers = 8 if self.by_pair else 4
        return n_tokens * (2 * self.shape.kv_features * dtype.itemsize + numbers)

    @property
    def by_pair(self) -> bool:
        """Whether scores depend on the pair of positions, so that keys are kept unturned."""
        return self.rotary is not None and self.rotary.scores is not None
