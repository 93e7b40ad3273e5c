"""Trainable block-sparse attention: compressed, selected and window branches, gated.

Axes: b row, t query, m pool (a compressed block), u token of a pool, h query head, g key-value
head, j query head of a group, n choice, i branch, d feature, e feature of a summary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from farspan.mixers.attention import attention_flops, causal_attention
from farspan.mixers.base import AttentionShape, Tokens
from farspan.mixers.blocks import BlockAttention, BlockState, best_blocks, of_size
from farspan.mixers.selection import BlockKeys, selected_attention
from farspan.positions.rotary import Rotary
from farspan.positions.temperature import LogLength

FORCED = 3
"""Blocks that every query sees: the first of the document, its own and the one before."""
BRANCHES = ("window", "compressed", "selected")
QUERIES = 512
"""Queries whose attention to all pools is computed at once."""


class LearnedAttention(BlockAttention):
    """A gated sum of three branches, after native sparse attention (Yuan et al. 2025).

    Pools of `pool` tokens are compressed to one key and value; the attention of a group of heads to
    them tells which `top` blocks of `block` tokens the group looks at; the window is as ever.
    """

    def __init__(
        self,
        shape: AttentionShape,
        rotary: Rotary | None,
        *,
        block: int,
        top: int,
        window: int,
        pool: int,
        temperature: LogLength | None = None,
    ) -> None:
        super().__init__(shape, rotary, pool, 2 * shape.head_dim, temperature)
        self.block, self.top, self.window, self.pool = block, top, window, pool
        groups, d = shape.n_kv_heads, shape.head_dim
        self.place_key = nn.Parameter(torch.empty(pool, groups, d))
        self.place_value = nn.Parameter(torch.empty(pool, groups, d))
        self.pooling = nn.Parameter(torch.empty(2, groups, d))
        self.gates = nn.Linear(shape.d_model, len(BRANCHES) * shape.n_heads)
        self.amount = nn.Parameter(torch.empty(len(BRANCHES) - 1, shape.n_heads))
        self.init_added()

    @torch.no_grad()
    def init_added(self) -> None:
        """Pools are means, the window counts once, and the other branches not at all yet."""
        for parameter in (self.place_key, self.place_value, self.pooling, self.amount):
            parameter.zero_()
        self.gates.weight.zero_()
        self.gates.bias.zero_()

    def forward(
        self, x_btc: Tensor, tokens: Tokens, state: BlockState
    ) -> tuple[Tensor, BlockState]:
        """One chunk: features `[B, T, C]` in, features and the next state out."""
        gates = self.branch_gates(x_btc).flatten(2)
        y_bthd, state = self.attend(*self.project(x_btc, tokens), tokens, state, gates)
        return self.out(y_bthd.flatten(2)), state

    def branch_gates(self, x_btc: Tensor) -> Tensor:
        """How much of each branch, `[B, T, 3, H]`: 0 to 2 of the window, 0 to `amount` of others.

        The amounts start at zero and have a gradient there, so a layer starts as its window.
        """
        open_btih = self.gates(x_btc).unflatten(-1, (len(BRANCHES), -1)).sigmoid()
        return torch.cat((2 * open_btih[:, :, :1], self.amount * open_btih[:, :, 1:]), dim=2)

    def summarise(self, k_bmugd: Tensor, v_bmugd: Tensor, there_mu: Tensor) -> Tensor:
        """A key and a value a pool: means of placed tokens, weighted by a learned softmax."""
        parts = []
        for x, place, by in (
            (k_bmugd, self.place_key, self.pooling[0]),
            (v_bmugd, self.place_value, self.pooling[1]),
        ):
            x = x + place
            score = (x * by).sum(-1).masked_fill(~there_mu.unsqueeze(-1), -1e30)
            parts.append((x * score.softmax(2).unsqueeze(-1)).sum(2))
        return torch.cat(parts, dim=-1)

    def mix(
        self,
        q_bthd: Tensor,
        keys: BlockKeys,
        summary_bmge: Tensor,
        there_m: Tensor,
        gates_bthi: Tensor | None,
    ) -> Tensor:
        """The three branches by their gates `[B, T, 3 * H]`."""
        assert gates_bthi is not None, "forward computes the gates"
        n_queries = q_bthd.shape[1]
        own = keys.place_s[-n_queries:]
        ended = (keys.first + torch.arange(1, len(there_m) + 1, device=own.device)) * self.pool
        sees = there_m & (ended <= own.unsqueeze(1) + 1)
        compressed, weight = self._all_compressed(q_bthd, summary_bmge, sees)
        blocks = of_size(keys, self.block)
        chosen = self._choose(weight.detach(), keys, blocks, own)
        q, near = q_bthd, q_bthd
        if self.temperature is not None:
            q = self.temperature.sharpen(q_bthd, self.visible(own).unsqueeze(0) - 1)
            near = self.temperature.sharpen(q_bthd, own.unsqueeze(0), self.window)
        selected = selected_attention(q, blocks, own, chosen)
        first = max(0, len(keys.place_s) - n_queries - self.window + 1)
        k, v = keys.k_bsgd[:, first:], keys.v_bsgd[:, first:]
        window = causal_attention(near, k, v, window=self.window)
        branches = torch.stack((window, compressed, selected), dim=2)
        gates = gates_bthi.unflatten(2, (len(BRANCHES), -1)).unsqueeze(-1)
        return (gates.to(branches.dtype) * branches).sum(2)

    def visible(self, query: Tensor) -> Tensor:
        """How many keys of chosen blocks a query at a position sees."""
        earlier = (query // self.block).clamp_max(self.top - 1)
        return earlier * self.block + query % self.block + 1

    def flops(self, n_tokens: int) -> int:
        """Two products for each pair of a branch, and the scores and sums of the pools."""
        query = torch.arange(n_tokens)
        pairs = int(((query + 1) // self.pool + self.visible(query)).sum())
        branches = 4 * self.shape.n_heads * self.shape.head_dim * pairs
        pools = 8 * self.shape.kv_features * (n_tokens // self.pool * self.pool)
        return branches + pools + attention_flops(self.shape, n_tokens, self.window)

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """All keys and values with position and document, and one of each a whole pool."""
        pair = 2 * self.shape.kv_features * dtype.itemsize
        return n_tokens * (pair + 8) + n_tokens // self.pool * pair

    def _all_compressed(
        self, q_bthd: Tensor, summary_bmge: Tensor, sees_tm: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`_compressed` for some queries at a time, done again in the backward pass."""
        training = torch.is_grad_enabled() and (q_bthd.requires_grad or summary_bmge.requires_grad)
        found = []
        for q, sees in zip(q_bthd.split(QUERIES, dim=1), sees_tm.split(QUERIES), strict=True):
            inputs = q, summary_bmge, sees
            if training:
                found.append(checkpoint(self._compressed, *inputs, use_reentrant=False))
            else:
                found.append(self._compressed(*inputs))
        compressed, weight = zip(*found, strict=True)
        return torch.cat(compressed, dim=1), torch.cat(weight, dim=1)

    def _compressed(
        self, q_bthd: Tensor, summary_bmge: Tensor, sees_tm: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attention to pools, and what each group of heads gives them `[B, T, G, M]`."""
        d, dtype = self.shape.head_dim, torch.promote_types(q_bthd.dtype, torch.float32)
        k, v = summary_bmge[..., :d], summary_bmge[..., d:]
        q = q_bthd.unflatten(2, (k.shape[2], -1)) * d**-0.5
        score = torch.einsum("btgjd,bmgd->btgjm", q, k).to(dtype)
        sees = sees_tm[:, None, None]
        blind = ~sees.any(-1, keepdim=True)
        weight = score.masked_fill(~sees & ~blind, -torch.inf).softmax(-1).masked_fill(blind, 0.0)
        out = torch.einsum("btgjm,bmgd->btgjd", weight.to(v.dtype), v)
        return out.flatten(2, 3), weight.sum(3)

    def _choose(
        self, weight_btgm: Tensor, pools: BlockKeys, blocks: BlockKeys, own_t: Tensor
    ) -> Tensor:
        """Blocks `[B, T, H, N]` by the attention to their pools; a group has the same."""
        own = blocks.block_of(own_t).unsqueeze(1)
        per_block, n_blocks = self.block // self.pool, int(own[-1]) + 1
        before = int(pools.first) % per_block
        after = n_blocks * per_block - before - weight_btgm.shape[-1]
        weight = F.pad(weight_btgm, (before, after))
        score = weight.unflatten(-1, (n_blocks, per_block)).sum(-1)
        block = torch.arange(n_blocks, device=own.device)
        forced = (block == -blocks.first) | (block == own) | (block == own - 1)
        score = score.masked_fill(forced[:, None], torch.inf)
        score = score.masked_fill((block > own)[:, None] | ~blocks.there(n_blocks), -torch.inf)
        chosen = best_blocks(score, self.top)
        return chosen.repeat_interleave(self.shape.n_heads // self.shape.n_kv_heads, dim=2)
