"""What a memory rule is: how a segment is written into a matrix a head, and how it is read.

Axes: b row, n segment, s token of a segment, h query head, g memory (key-value) head, r query head
of a group, d key feature, e value feature. Memories are float32, in float64 models float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from farspan.mixers.base import AttentionShape


@dataclass(frozen=True)
class Memory:
    """A matrix a head, `matrix_bgde`, and what its rule keeps beside it.

    `total_bgd` is the sum of key features (D is 0 where a rule has none); `written_b` int64 counts
    the segments inside. `map_bgdd` is there in a *part*, a memory begun in the middle of a
    document: what came before, M, has become `map @ M` under the part's segments.
    """

    matrix_bgde: Tensor
    total_bgd: Tensor
    written_b: Tensor
    map_bgdd: Tensor | None = None

    def row(self, b: int) -> Memory:
        """The memory of one row, as a batch of one."""
        pick = slice(b, b + 1)
        own = None if self.map_bgdd is None else self.map_bgdd[pick]
        return Memory(self.matrix_bgde[pick], self.total_bgd[pick], self.written_b[pick], own)

    @staticmethod
    def stack(rows: list[Memory]) -> Memory:
        """Rows as one batch."""
        maps = [row.map_bgdd for row in rows if row.map_bgdd is not None]
        return Memory(
            torch.cat([row.matrix_bgde for row in rows]),
            torch.cat([row.total_bgd for row in rows]),
            torch.cat([row.written_b for row in rows]),
            torch.cat(maps) if maps else None,
        )


@dataclass(frozen=True)
class Segments:
    """Whole segments of consecutive tokens to be written, `[B, N, S, G, ...]`.

    `gates` are the raw numbers that the rule asked for by `n_gates`. `times_bn`, powers of two,
    writes a segment so many times over; for training alone.
    """

    k: Tensor
    v: Tensor
    gates: Tensor
    times_bn: Tensor | None = None

    def multiplied(self, x_bngde: Tensor) -> Tensor:
        """A segment's sums `[B, N, G, D, E]`, each as often as its segment counts."""
        if self.times_bn is None:
            return x_bngde
        return x_bngde * self.times_bn.to(x_bngde.dtype)[:, :, None, None, None]


class MemoryRule(nn.Module, ABC):
    """One way to compress segments. A segment's write is an affine map of the matrix.

    Subclasses give `features` of keys and queries, `maps` of segments, and `combine` of what a
    query finds.
    """

    n_gates = 0
    """Numbers a token and memory head that the mixer projects from its input for `maps`."""

    has_total = False
    """Whether the sum of key features is kept."""

    def __init__(self, shape: AttentionShape) -> None:
        super().__init__()
        self.shape = shape

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a head's matrix."""
        return self.shape.head_dim, self.shape.head_dim

    def init_added(self) -> None:
        """Sets the rule's own parameters, the same each time."""

    @abstractmethod
    def key_features(self, k: Tensor) -> Tensor:
        """Keys `[..., G, D]` as they address the matrix, in the memory's dtype."""

    def query_features(self, q: Tensor) -> Tensor:
        """Queries `[..., G, R, D]` as they address the matrix; by default as keys do."""
        return self.key_features(q)

    @abstractmethod
    def maps(
        self, segments: Segments, features: Tensor, total_bngd: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """The affine maps `[B, N, G, D, D]` (None: the identity) and `[B, N, G, D, E]`.

        `features` are those of the segments' keys `[B, N, S, G, D]`, `total_bngd` their sum over
        all that came before each segment (zero: nothing did).
        """

    def combine(self, found: Tensor) -> Tensor:
        """From `features @ matrix` `[..., E]` to values `[..., head_dim]`; by default as it is.

        With `has_total` a last number follows, `features @ total`.
        """
        return found

    @abstractmethod
    def write_flops(self, segment: int) -> int:
        """Operations of writing a segment of so many tokens into one head's memory."""

    def read_flops(self) -> int:
        """Operations of one query head of one token."""
        rows, columns = self.size
        return 2 * rows * (columns + self.has_total)

    # Below: the same for all rules.

    def empty(self, batch: int, *, device: torch.device | None, dtype: torch.dtype) -> Memory:
        """A memory without segments."""
        groups, (rows, columns) = self.shape.n_kv_heads, self.size
        matrix = torch.zeros(batch, groups, rows, columns, device=device, dtype=dtype)
        total = matrix.new_zeros(batch, groups, rows if self.has_total else 0)
        return Memory(matrix, total, torch.zeros(batch, dtype=torch.int64, device=device))

    def empty_like(self, memory: Memory) -> Memory:
        """A memory without segments beside another one."""
        matrix = memory.matrix_bgde
        return self.empty(len(matrix), device=matrix.device, dtype=matrix.dtype)

    def part(self, before: Memory) -> Memory:
        """An empty memory for the segments that follow `before`, which `merge` will join.

        Of `before` only the sum of keys is used, so ranks need no more of each other to begin.
        """
        fresh = self.empty_like(before)
        eye = torch.eye(self.size[0], device=fresh.matrix_bgde.device, dtype=before.total_bgd.dtype)
        own = eye.expand(*fresh.matrix_bgde.shape[:2], -1, -1)
        return replace(fresh, map_bgdd=own, total_bgd=before.total_bgd)

    def merge(self, first: Memory, part: Memory) -> Memory:
        """The memory of both from one memory and the part that was begun behind it."""
        assert part.map_bgdd is not None, "the second memory was not begun as a part"
        own = None if first.map_bgdd is None else part.map_bgdd @ first.map_bgdd
        return Memory(
            part.map_bgdd @ first.matrix_bgde + part.matrix_bgde,
            part.total_bgd,
            first.written_b + part.written_b,
            own,
        )

    def write(self, segments: Segments, memory: Memory) -> tuple[Memory, Memory]:
        """The memory before each of N segments, as a batch of `B * N`, and that after them all."""
        n = segments.k.shape[1]
        own = memory.map_bgdd
        with torch.autocast(segments.k.device.type, enabled=False):
            features = self.key_features(segments.k)
            totals = self._totals(features, segments, memory)
            maps, adds = self.maps(segments, features, totals[:, :-1])
            matrices = _scan(memory.matrix_bgde, maps, adds)
            if own is not None and maps is not None:
                own = _scan(own, maps, torch.zeros_like(maps))[:, -1]
        step = torch.arange(n, device=memory.written_b.device)
        before = Memory(
            matrices[:, :-1].flatten(0, 1),
            totals[:, :-1].flatten(0, 1),
            (memory.written_b.unsqueeze(1) + step).flatten(),
        )
        return before, Memory(matrices[:, -1], totals[:, -1], memory.written_b + n, own)

    def read(self, q_bthd: Tensor, memory: Memory) -> Tensor:
        """What queries `[B, T, H, D]` find in memories of the same batch, `[B, T, H, D]`."""
        n_tokens, groups = q_bthd.shape[1], self.shape.n_kv_heads
        matrix = memory.matrix_bgde
        if self.has_total:  # one product finds the values and their weight
            matrix = torch.cat((matrix, memory.total_bgd.unsqueeze(-1)), dim=-1)
        with torch.autocast(q_bthd.device.type, enabled=False):
            features = self.query_features(q_bthd.unflatten(2, (groups, -1)))
            features = features.transpose(1, 2).flatten(2, 3)
            values = self.combine(torch.matmul(features, matrix))
        return values.unflatten(2, (n_tokens, -1)).transpose(1, 2).flatten(2, 3)

    def _totals(self, features: Tensor, segments: Segments, memory: Memory) -> Tensor:
        """The sum of key features before each segment and after the last, `[B, N + 1, G, D]`."""
        if not self.has_total:
            return memory.total_bgd.unsqueeze(1).expand(-1, features.shape[1] + 1, -1, -1)
        sums = segments.multiplied(features.sum(2).unsqueeze(-1)).squeeze(-1)
        return torch.cat((memory.total_bgd.unsqueeze(1), sums), dim=1).cumsum(1)


def memory_dtype(dtype: torch.dtype) -> torch.dtype:
    """What memories are kept in beside activations of a dtype."""
    return torch.promote_types(dtype, torch.float32)


def _scan(start: Tensor, maps: Tensor | None, adds: Tensor) -> Tensor:
    """`x[n + 1] = maps[n] @ x[n] + adds[n]` from `x[0] = start`, all of them `[B, N + 1, ...]`."""
    if maps is None:
        return torch.cat((start.unsqueeze(1), adds), dim=1).cumsum(1)
    found = [start.flatten(0, 1)]
    for own, add in zip(maps.unbind(1), adds.unbind(1), strict=True):
        found.append(torch.baddbmm(add.flatten(0, 1), own.flatten(0, 1), found[-1]))
    return torch.stack(found, dim=1).unflatten(0, start.shape[:2]).transpose(1, 2)
