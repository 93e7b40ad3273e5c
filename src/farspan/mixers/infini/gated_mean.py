"""A gated running mean of compressed values in learned slots.

Axes as in memory.py; d is a slot here, e a compressed feature.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from farspan.errors import RequestError
from farspan.mixers.base import AttentionShape
from farspan.mixers.infini.memory import MemoryRule, Segments, memory_dtype

EMPTY = 1e-6  # Tokens below which a slot got nothing.


class GatedMeanRule(MemoryRule):
    """Slots with learned addresses p take the mean of the compressed values that they attract.

    w = softmax over slots of k p / sqrt(D); n = sum of w over the segment; a slot becomes
    (1 - g) m + g (sum of w C v) / n with the gate g = n / (n + tau), tau learned, in tokens. Read:
    the slots that q attracts, decompressed. Size: `d_state` slots of head_dim / compression_ratio.
    """

    def __init__(
        self, shape: AttentionShape, d_state: int = 64, compression_ratio: int = 8
    ) -> None:
        if compression_ratio < 1 or shape.head_dim % compression_ratio:
            raise RequestError(
                f"compression_ratio is {compression_ratio}; it must divide the head size, "
                f"{shape.head_dim}"
            )
        super().__init__(shape)
        groups, d = shape.n_kv_heads, shape.head_dim
        self.d_state = d_state
        self.address = nn.Parameter(torch.empty(groups, d_state, d))
        self.compress = nn.Parameter(torch.empty(groups, d, d // compression_ratio))
        self.expand = nn.Parameter(torch.empty(groups, d // compression_ratio, d))
        self.log_tau = nn.Parameter(torch.empty(groups, d_state))
        self.init_added()

    @property
    def size(self) -> tuple[int, int]:
        """Slots and compressed features."""
        return self.d_state, self.compress.shape[-1]

    def init_added(self) -> None:
        """Random addresses and compression from a fixed seed; time constants of 16 to 4096 tokens.

        Expansion begins as the transpose of compression, whose columns are orthonormal.
        """
        draw = torch.Generator().manual_seed(0)
        with torch.no_grad():
            self.address.copy_(torch.randn(self.address.shape, generator=draw))
            basis = torch.linalg.qr(torch.randn(self.compress.shape, generator=draw))[0]
            self.compress.copy_(basis)
            self.expand.copy_(basis.transpose(1, 2))
            self.log_tau.copy_(torch.linspace(2.8, 8.3, self.d_state).expand_as(self.log_tau))

    def key_features(self, k: Tensor) -> Tensor:
        """How strongly keys `[..., G, D]` are drawn to each slot; sums to one."""
        return self._drawn(k.unsqueeze(-2)).squeeze(-2)

    def query_features(self, q: Tensor) -> Tensor:
        """The same for queries `[..., G, R, D]`."""
        return self._drawn(q)

    def maps(
        self, segments: Segments, features: Tensor, total_bngd: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """1 - g on the diagonal, and g times the new means."""
        dtype = features.dtype
        v = torch.matmul(segments.v.to(dtype).unsqueeze(-2), self.compress.to(dtype)).squeeze(-2)
        count = features.sum(2)
        many = segments.multiplied(count.unsqueeze(-1)).squeeze(-1)
        gate = many / (many + self.log_tau.to(dtype).exp())
        share = features * (gate / count.clamp_min(EMPTY)).unsqueeze(2)
        adds = torch.matmul(share.permute(0, 1, 3, 4, 2), v.transpose(2, 3))
        return torch.diag_embed(1 - gate), adds

    def write_flops(self, segment: int) -> int:
        """Slots of each key, its compressed value into them, and the map of what was there."""
        (slots, columns), d = self.size, self.shape.head_dim
        a_token = 2 * (d * slots + d * columns + slots * columns)
        return segment * a_token + 2 * slots * slots * columns

    def read_flops(self) -> int:
        """Slots of the query, what they hold, and its expansion."""
        (slots, columns), d = self.size, self.shape.head_dim
        return super().read_flops() + 2 * d * (slots + columns)

    def combine(self, found: Tensor) -> Tensor:
        """Decompresses `[B, G, rows, E]`."""
        return torch.matmul(found, self.expand.to(found.dtype))

    def _drawn(self, x: Tensor) -> Tensor:
        dtype = memory_dtype(x.dtype)
        address = self.address.to(dtype).transpose(-1, -2)
        return (torch.matmul(x.to(dtype), address) * x.shape[-1] ** -0.5).softmax(-1)
