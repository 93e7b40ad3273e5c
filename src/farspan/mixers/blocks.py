"""What mixers that choose blocks share: a store of all keys, and a summary of each whole block.

Blocks lie at multiples of their size, by position within a document.
Axes: b row, t token of the chunk, s stored token, m summarised block, u token of such a block, h
query head, g key-value head, d feature, e feature of a summary.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from farspan.memory.store import MemoryStore
from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.runs import document_runs, stack_rows, without_padding
from farspan.mixers.selection import BlockKeys
from farspan.mixers.window.chunked import Kept, as_kept
from farspan.positions.rotary import Rotary
from farspan.positions.temperature import LogLength

QUERIES = 2048
"""Queries that are computed at once, which bounds the memory."""


@dataclass(frozen=True)
class BlockState:
    """Keys and values of each row's document, and a summary of each block that has ended.

    The first summary is of the first key's block. Position and document are int32 `[B, S]`; rows
    with fewer tokens have padding (document -1) in front, and rows with fewer blocks zeros behind.
    """

    store: MemoryStore
    position_bs: Tensor
    document_bs: Tensor
    summary_bmge: Tensor


class BlockAttention(AttentionMixer):
    """Queries choose blocks by their summaries; subclasses say how.

    A summary is of `unit` tokens and has `width` features.
    """

    def __init__(
        self,
        shape: AttentionShape,
        rotary: Rotary | None,
        unit: int,
        width: int,
        temperature: LogLength | None = None,
    ) -> None:
        super().__init__(shape, rotary)
        self.unit = unit
        self.width = width
        self.temperature = temperature

    @abstractmethod
    def summarise(self, k_bmugd: Tensor, v_bmugd: Tensor, there_mu: Tensor) -> Tensor:
        """Summaries `[B, M, G, E]` of whole blocks, of those of their tokens that there are."""

    @abstractmethod
    def mix(
        self,
        q_bthd: Tensor,
        keys: BlockKeys,
        summary_bmge: Tensor,
        there_m: Tensor,
        gates_bthi: Tensor | None,
    ) -> Tensor:
        """Outputs `[B, T, H, D]` of some queries, which belong to the last T of the keys.

        `there_m` tells which summaries are of any token; those of later blocks are among them.
        """

    def init_state(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> BlockState:
        """No keys yet."""
        shape = self.shape
        store = MemoryStore.empty(
            batch, shape.n_kv_heads, shape.head_dim, device=device, dtype=dtype
        )
        nothing = torch.empty(batch, 0, dtype=torch.int32, device=device)
        summary = store.k_bshd.new_empty(batch, 0, shape.n_kv_heads, self.width)
        return BlockState(store, nothing, nothing, summary)

    def attend(
        self,
        q_bthd: Tensor,
        k_bthd: Tensor,
        v_bthd: Tensor,
        tokens: Tokens,
        state: BlockState,
        gates_bthi: Tensor | None = None,
    ) -> tuple[Tensor, BlockState]:
        """Appends the chunk, summarises the blocks that end in it, and attends."""
        chunk = as_kept(k_bthd, v_bthd, tokens)
        if not tokens.is_plain:
            return self._rows(q_bthd, chunk, state, gates_bthi)
        store = state.store.append(k_bthd, v_bthd)
        position = torch.cat((state.position_bs, chunk.position_bs), dim=1)
        document = torch.cat((state.document_bs, chunk.document_bs), dim=1)
        seen = Kept(store.k_bshd, store.v_bshd, position, document)
        summary = self._summaries(seen, state.summary_bmge)
        y = self._run(q_bthd, seen, summary, gates_bthi)
        return y, BlockState(store, position, document, summary)

    def merge(self, first: BlockState, second: BlockState) -> BlockState:
        """Both stores where the document goes on, else the second; blocks summarised anew."""
        rows = []
        for b in range(len(first.position_bs)):
            one, two = (without_padding(_kept(state), b) for state in (first, second))
            goes_on = not two.document_bs.numel() or not one.document_bs.numel()
            if goes_on or bool(one.document_bs[0, -1] == two.document_bs[0, -1]):
                two = one.cat(two)
            rows.append(two)
        return self._state(rows)

    def _run(
        self, q_bthd: Tensor, seen: Kept, summary_bmge: Tensor, gates_bthi: Tensor | None
    ) -> Tensor:
        """The last T of the seen tokens attend, some at a time; all rows share positions."""
        place, n_queries = seen.position_bs[0].long(), q_bthd.shape[1]
        whole = BlockKeys(seen.k_bshd, seen.v_bshd, place, self.unit)
        there = whole.there(summary_bmge.shape[1])
        behind = len(place) - n_queries
        parts = []
        for start in range(0, n_queries, QUERIES):
            stop = min(start + QUERIES, n_queries)
            until = behind + stop
            keys = BlockKeys(
                seen.k_bshd[:, :until], seen.v_bshd[:, :until], place[:until], self.unit
            )
            gates = None if gates_bthi is None else gates_bthi[:, start:stop]
            parts.append(self.mix(q_bthd[:, start:stop], keys, summary_bmge, there, gates))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def _rows(
        self, q_bthd: Tensor, chunk: Kept, state: BlockState, gates_bthi: Tensor | None
    ) -> tuple[Tensor, BlockState]:
        """Any chunk, document by document."""
        y = torch.zeros_like(q_bthd)
        before = _kept(state)
        rows = [without_padding(before, b) for b in range(len(y))]
        for run in document_runs(before, chunk):
            row = slice(run.row, run.row + 1)
            gates = None if gates_bthi is None else gates_bthi[row, run.inside_t]
            summary = self._summaries(run.seen)
            y[row, run.inside_t] = self._run(q_bthd[row, run.inside_t], run.seen, summary, gates)
            rows[run.row] = run.seen
        return y, self._state(rows)

    def _state(self, rows: list[Kept]) -> BlockState:
        """The state of rows without padding."""
        summaries = [self._summaries(row) for row in rows]
        most = max(x.shape[1] for x in summaries)
        summary = torch.cat([F.pad(x, (0, 0, 0, 0, 0, most - x.shape[1])) for x in summaries])
        kept = stack_rows(rows)
        store = MemoryStore(kept.k_bshd, kept.v_bshd)
        return BlockState(store, kept.position_bs, kept.document_bs, summary)

    def _summaries(self, seen: Kept, before_bmge: Tensor | None = None) -> Tensor:
        """Summaries of all whole blocks, the first of which may be known before."""
        batch, place = seen.k_bshd.shape[0], seen.position_bs[0].long()
        if before_bmge is None:
            before_bmge = seen.k_bshd.new_empty(batch, 0, self.shape.n_kv_heads, self.width)
        if not len(place):
            return before_bmge
        keys = BlockKeys(seen.k_bshd, seen.v_bshd, place, self.unit)
        known, whole = before_bmge.shape[1], int(keys.block_of(place[-1] + 1))
        if whole == known:
            return before_bmge
        blocks = torch.arange(known, whole, device=place.device) + keys.first
        wanted = blocks.unsqueeze(1) * self.unit + torch.arange(self.unit, device=place.device)
        index = torch.searchsorted(place, wanted).clamp_max(len(place) - 1)
        there = place[index] == wanted
        k, v = (x[:, index] for x in (seen.k_bshd, seen.v_bshd))
        new = self.summarise(k, v, there)
        return torch.cat((before_bmge, new), dim=1) if known else new


def of_size(keys: BlockKeys, size: int) -> BlockKeys:
    """The same keys in blocks of another size."""
    return replace(keys, size=size)


def best_blocks(score_btgm: Tensor, count: int) -> Tensor:
    """The `count` best blocks of each query, `[B, T, G, N]`; -1 in place of those at -inf."""
    value, index = score_btgm.topk(min(count, score_btgm.shape[-1]), dim=-1)
    return torch.where(value == -torch.inf, -1, index)


def _kept(state: BlockState) -> Kept:
    store = state.store
    return Kept(store.k_bshd, store.v_bshd, state.position_bs, state.document_bs)
