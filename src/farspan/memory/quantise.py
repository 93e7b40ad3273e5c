"""Blocks of keys and values in 8 or 4 bits: keys a channel, values a token (KIVI, 2402.02750).

A few channels of keys are far larger than the others, in all tokens alike, so each channel of a
block has a scale of its own; values have no such channels. A block of `BLOCK` tokens becomes one
row of bytes: its codes, then scales and least values in bfloat16. Two 4-bit codes share a byte,
that of the first half of the features below, of the second half above.

Axes: n block, s token of the block, h head, d feature, c = h * d, z bytes of a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from farspan.memory.sizes import BITS, BLOCK, row_bytes

ROUNDED_UP = 1 + 2**-8
"""A scale in bfloat16 must not come out too small for the largest number."""


@dataclass(frozen=True)
class Format:
    """How blocks of a layer's keys and values become rows of bytes."""

    kind: str
    n_heads: int
    head_dim: int
    _spare: dict[str, Tensor] = field(default_factory=dict, compare=False)

    @property
    def features(self) -> int:
        """Features a token."""
        return self.n_heads * self.head_dim

    @property
    def bits(self) -> int:
        """Bits a number."""
        return BITS[self.kind]

    def row_bytes(self, part: int) -> int:
        """Bytes of a block of keys (part 0) or values (part 1)."""
        return row_bytes(self.kind, self.n_heads, self.head_dim, part)

    def pack(self, x_nshd: Tensor, part: int) -> Tensor:
        """Blocks as rows of bytes, `[n, z]`."""
        x = x_nshd.float()
        axis = 1 if part == 0 else 3
        least = x.amin(axis, keepdim=True).bfloat16()
        span = x.amax(axis, keepdim=True) - least.float()
        scale = (span / (2**self.bits - 1) * ROUNDED_UP).bfloat16()
        step = scale.float()
        code = ((x - least.float()) / torch.where(step > 0, step, 1.0)).round_()
        code = code.clamp_(0, 2**self.bits - 1).to(torch.uint8).flatten(2)
        if self.bits == 4:
            low, high = code.chunk(2, -1)
            code = low | high << 4
        parts = (code, scale.contiguous().view(torch.uint8), least.contiguous().view(torch.uint8))
        return torch.cat([y.flatten(1) for y in parts], 1)

    def unpack(self, rows_nz: Tensor, part: int, dtype: torch.dtype) -> Tensor:
        """The tokens of rows, `[n * s, h, d]`, in memory that the next call reuses."""
        n, split = len(rows_nz), BLOCK * self.features * self.bits // 8
        code = rows_nz[:, :split].view(n, BLOCK, -1)
        scales = rows_nz[:, split:].contiguous().view(torch.bfloat16).to(dtype)
        shape = (n, 2, 1, self.features) if part == 0 else (n, 2, BLOCK, self.n_heads, 1)
        scale, least = scales.view(shape).unbind(1)
        x = self._memory(f"{part}", n * BLOCK * self.features, dtype)
        x = x.view(n, BLOCK, self.features)
        if self.bits == 8:
            x.copy_(code)
        else:
            half = self.features // 2
            nibble = self._memory("nibble", n * BLOCK * half, torch.uint8).view(n, BLOCK, half)
            x[..., :half].copy_(torch.bitwise_and(code, 15, out=nibble))
            x[..., half:].copy_(torch.bitwise_right_shift(code, 4, out=nibble))
        y = x if part == 0 else x.unflatten(2, (self.n_heads, -1))
        torch.addcmul(least, y, scale, out=y)
        return x.view(n * BLOCK, self.n_heads, self.head_dim)

    def _memory(self, name: str, size: int, dtype: torch.dtype) -> Tensor:
        found = self._spare.get(name)
        if found is None or found.numel() < size or found.dtype != dtype:
            found = self._spare[name] = torch.empty(size, dtype=dtype)
        return found[:size]
