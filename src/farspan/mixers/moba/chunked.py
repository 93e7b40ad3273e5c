"""Mixture of block attention: each query and head looks at the blocks whose mean key it likes.

Axes: b row, t query, m summarised block, u token of a block, h query head, g key-value head, n
choice, d feature, e feature of a summary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.base import AttentionShape
from farspan.mixers.blocks import BlockAttention, best_blocks
from farspan.mixers.selection import BlockKeys, selected_attention
from farspan.positions.rotary import Rotary
from farspan.positions.temperature import LogLength


class MobaAttention(BlockAttention):
    """The own block up to the query, and the `top - 1` earlier ones of highest q · mean key.

    Lu et al. 2025 (MoBA). It adds no parameters; the choice itself has no gradient.
    """

    def __init__(
        self,
        shape: AttentionShape,
        rotary: Rotary | None,
        block: int,
        top: int,
        temperature: LogLength | None = None,
    ) -> None:
        super().__init__(shape, rotary, block, shape.head_dim, temperature)
        self.block = block
        self.top = top

    def summarise(self, k_bmugd: Tensor, v_bmugd: Tensor, there_mu: Tensor) -> Tensor:
        """Mean keys."""
        weight = there_mu / there_mu.sum(1, keepdim=True).clamp_min(1)
        return torch.einsum("bmugd,mu->bmgd", k_bmugd, weight.to(k_bmugd.dtype))

    def mix(
        self,
        q_bthd: Tensor,
        keys: BlockKeys,
        summary_bmge: Tensor,
        there_m: Tensor,
        gates_bthi: Tensor | None,
    ) -> Tensor:
        """Chooses, and attends to what is chosen."""
        own = keys.place_s[-q_bthd.shape[1] :]
        block = keys.block_of(own)
        chosen = self.choose(q_bthd.detach(), summary_bmge.detach(), there_m, block)
        if self.temperature is not None:
            q_bthd = self.temperature.sharpen(q_bthd, self.visible(own).unsqueeze(0) - 1)
        return selected_attention(q_bthd, keys, own, chosen)

    def choose(
        self, q_bthd: Tensor, summary_bmgd: Tensor, there_m: Tensor, block_t: Tensor
    ) -> Tensor:
        """The blocks of each query `[B, T, H, top]`, its own `block_t` first, -1 for none."""
        q = q_bthd.unflatten(2, (summary_bmgd.shape[2], -1))
        score = torch.einsum("btgjd,bmgd->btgjm", q, summary_bmgd).flatten(2, 3)
        past = torch.arange(len(there_m), device=block_t.device) < block_t.unsqueeze(1)
        score = score.masked_fill(~(past & there_m)[:, None], -torch.inf)
        mine = block_t.view(1, -1, 1, 1).expand(*score.shape[:3], 1)
        return torch.cat((mine, best_blocks(score, self.top - 1)), dim=-1)

    def visible(self, query: Tensor) -> Tensor:
        """How many keys a query at a position sees."""
        earlier = (query // self.block).clamp_max(self.top - 1)
        return earlier * self.block + query % self.block + 1

    def flops(self, n_tokens: int) -> int:
        """A product with each mean key before, and two for each visible pair and head."""
        query = torch.arange(n_tokens)
        products = (query // self.block).sum() + 2 * self.visible(query).sum()
        return 2 * self.shape.n_heads * self.shape.head_dim * int(products)

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """All keys and values with position and document, and a mean key a whole block."""
        token = 2 * self.shape.kv_features * dtype.itemsize + 8
        return n_tokens * token + n_tokens // self.block * self.shape.kv_features * dtype.itemsize
