"""A language model with a memory that is handed from call to call.

Axes: b row, t token of the call, c feature, v vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from farspan.mixers import infini
from farspan.mixers.base import Tokens
from farspan.models.decoder import FeedForward
from farspan.models.long_context.memory import PersistentMemory
from farspan.models.long_context.modules import (
    COMPRESSION,
    D_STATE,
    PersistentModule,
    attention_shape,
    memory_rule,
    need,
)
from farspan.positions.rotary import Rotary


class Block(nn.Module):
    """Infini-attention and a feed-forward network, each behind a norm and beside a residual."""

    def __init__(self, mixer: infini.InfiniAttention, dropout: float) -> None:
        super().__init__()
        d_model = mixer.shape.d_model
        self.mixer_norm = nn.RMSNorm(d_model)
        self.mixer = mixer
        self.mlp_norm = nn.RMSNorm(d_model)
        self.mlp = FeedForward(d_model, 8 * d_model // 3)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x_btc: Tensor, tokens: Tokens, state: infini.InfiniState
    ) -> tuple[Tensor, infini.InfiniState]:
        """One call's features through the block."""
        mixed, state = self.mixer(self.mixer_norm(x_btc), tokens, state)
        x_btc = x_btc + self.dropout(mixed)
        return x_btc + self.dropout(self.mlp(self.mlp_norm(x_btc))), state


class LongContextModel(PersistentModule):
    """A decoder of Infini-attention layers, to be trained from scratch.

        logits, memory = model(input_ids)
        logits, memory = model(more_ids, memory=memory)     # equals one call with both

    `d_state`, `compression_ratio`, `rule` and `segment` are those of `InfiniAttention`;
    `max_seq_len` bounds the tokens a memory may hold. Cost a token does not depend on how many came
    before. Raises `ValueError` for settings, inputs and memories that do not fit.
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int = 512,
        n_heads: int = 8,
        d_state: int = D_STATE,
        n_layers: int = 12,
        max_seq_len: int = 1_000_000,
        dropout: float = 0.1,
        *,
        rule: str = "gated_mean",
        compression_ratio: int = COMPRESSION,
        segment: int = 512,
    ) -> None:
        shape = attention_shape(d_model, n_heads)
        for name, value in (
            ("vocab_size", vocab_size),
            ("n_layers", n_layers),
            ("max_seq_len", max_seq_len),
            ("segment", segment),
        ):
            need(value >= 1, name, value, "at least 1")
        need(0 <= dropout < 1, "dropout", dropout, "from 0 to below 1")
        super().__init__(
            f"LongContextModel(vocab_size={vocab_size}, d_model={d_model}, n_heads={n_heads}, "
            f"d_state={d_state}, n_layers={n_layers}, rule={rule}, "
            f"compression_ratio={compression_ratio}, segment={segment})"
        )
        self.vocab_size = vocab_size
        self.max_seq_len = max_seq_len
        self.embed = nn.Embedding(vocab_size, d_model)
        nn.init.normal_(self.embed.weight, std=d_model**-0.5)
        self.blocks = nn.ModuleList()
        for _ in range(n_layers):
            made = memory_rule(rule, shape, d_state, compression_ratio)
            mixer = infini.InfiniAttention(shape, Rotary(shape.head_dim), segment, made)
            self.blocks.append(Block(mixer, dropout))
        self.norm = nn.RMSNorm(d_model)
        self.head = nn.Linear(d_model, vocab_size, bias=False)
        self.head.weight = self.embed.weight
        self.dropout = nn.Dropout(dropout)

    @property
    def mixers(self) -> list[infini.InfiniAttention]:
        """Those of all blocks, bottom first."""
        return [block.mixer for block in self.blocks if isinstance(block, Block)]

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        memory: PersistentMemory | None = None,
    ) -> tuple[Tensor, PersistentMemory]:
        """Token ids `[B, T]` to logits `[B, T, V]` and the memory after them.

        `attention_mask` `[B, T]` is 0 at padding, which is neither read nor remembered and whose
        logits mean nothing.
        """
        self._check(input_ids)
        memory, tokens = self.begin(input_ids.shape, memory, attention_mask)
        longest = int((memory.length_b + tokens.valid_bt.sum(1)).max())
        room = f"up to max_seq_len, {self.max_seq_len}"
        need(longest <= self.max_seq_len, "the length of memory and input_ids", longest, room)
        x = self.dropout(self.embed(input_ids))
        states = []
        for block, state in zip(self.blocks, memory.layers, strict=True):
            x, state = block(x, tokens, state)
            states.append(state)
        return self.head(self.norm(x)), self.end(memory, states, tokens)

    def _check(self, input_ids: Tensor) -> None:
        fits = input_ids.ndim == 2 and input_ids.numel() > 0
        need(fits, "input_ids' shape", list(input_ids.shape), "[batch, tokens], neither 0")
        whole = input_ids.dtype in (torch.int32, torch.int64)
        need(whole, "input_ids' dtype", input_ids.dtype, "torch.int64 or torch.int32")
        for bound in (int(input_ids.min()), int(input_ids.max())):
            need(0 <= bound < self.vocab_size, "input_ids", bound, f"0 to {self.vocab_size - 1}")
