"""Random blocks beside a window and first blocks, after BigBird (Zaheer et al. 2020), causal.

Which blocks a block of queries sees is computed from a seed and its number, and nowhere stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from farspan.mixers.patterns.pattern import Pattern


@dataclass(frozen=True)
class RandomBlocks(Pattern):
    """Queries see the last `window` blocks, the own one counted, the `first` ones and drawn ones.

    All blocks are of `block` positions; the `drawn` ones are earlier and may be among the others.
    """

    block: int
    window: int
    first: int
    drawn: int
    seed: int = 0

    def draw(self, number: Tensor) -> Tensor:
        """Blocks drawn for blocks of queries, a last axis of `drawn`; -1 where none is earlier."""
        mixed = (number.unsqueeze(-1) * 1_000_003) ^ (self.seed * 7919 + 12_345)
        mixed = mixed + torch.arange(self.drawn, device=number.device) * 2_654_435_761
        for shift, factor in ((15, 2_246_822_519), (13, 3_266_489_917), (16, 1)):
            mixed = ((mixed ^ (mixed >> shift)) * factor) & 0xFFFFFFFF
        return torch.where(number.unsqueeze(-1) > 0, mixed % number.unsqueeze(-1).clamp_min(1), -1)

    def sees(self, query: Tensor, key: Tensor) -> Tensor:
        """By block."""
        own, other = query // self.block, key // self.block
        seen = (own - other < self.window) | (other < self.first)
        for one in self.draw(own).unbind(-1):
            seen = seen | (one == other)
        return seen

    def keeps(self, key: Tensor, last: Tensor) -> Tensor:
        """Any key may be drawn later."""
        return torch.ones_like(key, dtype=torch.bool)

    def visible(self, query: Tensor) -> Tensor:
        """Distinct blocks, the own one up to the query."""
        own = (query // self.block).unsqueeze(-1)
        near = own - torch.arange(self.window, device=query.device)
        first = torch.arange(self.first, device=query.device).expand(*own.shape[:-1], -1)
        first = torch.where(first <= own, first, -1)
        blocks = torch.cat((near.clamp_min(-1), first, self.draw(own.squeeze(-1))), dim=-1)
        blocks = blocks.sort(dim=-1).values
        new = torch.cat((blocks[..., :1] >= 0, blocks.diff(dim=-1) > 0), dim=-1)
        return (new.sum(-1) - 1) * self.block + query % self.block + 1

    def kept(self, n_tokens: int) -> int:
        """All."""
        return n_tokens

    def keys(self, begin: int, first: int, last: int) -> Tensor:
        """Of the first and the drawn blocks those before the window, and everything from there."""
        numbers = torch.arange(first // self.block, last // self.block + 1)
        near = max(0, int(numbers[0]) - self.window + 1)
        blocks = torch.cat((torch.arange(self.first), self.draw(numbers).flatten())).unique()
        blocks = blocks[(blocks >= 0) & (blocks < near)]
        far = (blocks.unsqueeze(1) * self.block + torch.arange(self.block)).flatten()
        return torch.cat((far[far >= begin], torch.arange(max(begin, near * self.block), last + 1)))
