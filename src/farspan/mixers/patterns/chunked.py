"""Attention by a fixed pattern, over the keys that each block of queries may see.

Axes: b row, t token of the chunk, s kept or seen token, h head, d feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from farspan.mixers.attention import (
    NOTHING,
    attention_with_lse,
    combine,
    masked_attention,
)
from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.patterns import flex
from farspan.mixers.patterns.pattern import Columns, Pattern
from farspan.mixers.runs import document_runs, stack_rows, without_padding
from farspan.mixers.window.chunked import Kept, as_kept, nothing_kept
from farspan.positions.rotary import Rotary
from farspan.positions.temperature import LogLength

QUERY_BLOCK = 256
"""Queries that are computed together; more of them gather fewer keys twice and mask more."""


@dataclass(frozen=True)
class PatternState:
    """What later queries can see, and the last token's position and document, int32 `[B]`.

    Before the first token these are -1.
    """

    kept: Kept
    position_b: Tensor
    document_b: Tensor


class PatternAttention(AttentionMixer):
    """Softmax attention of each token over the keys that a pattern of positions shows it.

    Work goes by blocks of queries against their own keys, so it grows with the pattern.
    """

    def __init__(
        self,
        shape: AttentionShape,
        rotary: Rotary | None,
        pattern: Pattern,
        temperature: LogLength | None = None,
    ) -> None:
        super().__init__(shape, rotary)
        self.pattern = pattern
        self.temperature = temperature

    def init_state(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> PatternState:
        """Nothing kept yet."""
        before = torch.full((batch,), -1, dtype=torch.int32, device=device)
        return PatternState(nothing_kept(batch, self.shape, device, dtype), before, before)

    def attend(
        self, q_bthd: Tensor, k_bthd: Tensor, v_bthd: Tensor, tokens: Tokens, state: PatternState
    ) -> tuple[Tensor, PatternState]:
        """Attends to what the pattern shows, and keeps what it will still show."""
        chunk = as_kept(k_bthd, v_bthd, tokens)
        if self.temperature is not None:
            seen = self.pattern.visible(tokens.position_bt)
            q_bthd = self.temperature.sharpen(q_bthd, seen - 1)
        if tokens.is_plain:
            joined = state.kept.cat(chunk)
            place = joined.position_bs[0].long().cpu()
            y = pattern_attention(q_bthd, joined, place, self.pattern)
            index = self.pattern.keeps(place, place[-1]).nonzero().squeeze(1)
            last = (x[:, -1] for x in (chunk.position_bs, chunk.document_bs))
            return y, PatternState(joined.each(lambda x: _pick(x, index)), *last)
        return self._rows(q_bthd, chunk, state)

    def merge(self, first: PatternState, second: PatternState) -> PatternState:
        """What behind the second part can be seen of both, where the document goes on."""
        ends = second.document_b < 0  # parts without a valid token change nothing
        last = torch.where(ends, first.position_b, second.position_b)
        document = torch.where(ends, first.document_b, second.document_b)
        joined = first.kept.cat(second.kept)
        rows = [
            self._still_seen(without_padding(joined, b), last[b], document[b])
            for b in range(len(last))
        ]
        return PatternState(stack_rows(rows), last, document)

    def flops(self, n_tokens: int) -> int:
        """A product with the key and one with the value for each visible pair and head."""
        pairs = int(self.pattern.visible(torch.arange(n_tokens)).sum())
        return 4 * self.shape.n_heads * self.shape.head_dim * pairs

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """Keys, values, position and document of what is kept, and of where the text stands."""
        row = 2 * self.shape.kv_features * dtype.itemsize + 8
        return self.pattern.kept(n_tokens) * row + 8

    def _rows(
        self, q_bthd: Tensor, chunk: Kept, state: PatternState
    ) -> tuple[Tensor, PatternState]:
        """Any chunk, document by document."""
        y = torch.zeros_like(q_bthd)
        position, document = state.position_b.clone(), state.document_b.clone()
        rows = [without_padding(state.kept, b) for b in range(len(position))]
        for run in document_runs(state.kept, chunk):
            b, seen = run.row, run.seen
            place = seen.position_bs[0].long().cpu()
            queries = q_bthd[b : b + 1, run.inside_t]
            y[b : b + 1, run.inside_t] = pattern_attention(queries, seen, place, self.pattern)
            position[b], document[b] = seen.position_bs[0, -1], seen.document_bs[0, -1]
            rows[b] = self._still_seen(seen, position[b], document[b])
        return y, PatternState(stack_rows(rows), position, document)

    def _still_seen(self, row: Kept, last: Tensor, document: Tensor) -> Kept:
        """Of one row's tokens those that a later query of the document can see."""
        keep = self.pattern.keeps(row.position_bs[0], last) & (row.document_bs[0] == document)
        return row.each(lambda x: x[:, keep])


def pattern_attention(q_bthd: Tensor, seen: Kept, place_s: Tensor, pattern: Pattern) -> Tensor:
    """The last T of the seen tokens attend by the pattern; `[B, T, H, D]`.

    `place_s`, on the CPU, holds the positions of the seen tokens, which all rows share; what the
    pattern shows and nobody kept is passed over. One part takes the fused kernel, several are
    joined through their log-sum-exps.
    """
    parts = pattern.parts
    if q_bthd.is_cuda and isinstance(pattern, Columns) and q_bthd.shape[1] >= flex.LEAST:
        return flex.flex_columns(q_bthd, seen.k_bshd, seen.v_bshd, place_s, pattern)
    if len(parts) == 1:
        return _by_block(q_bthd, seen, place_s, parts[0], fused=True)[0]
    found = [_by_block(q_bthd, seen, place_s, part, fused=False) for part in parts]
    total = found[0]
    for one in found[1:]:
        total = combine(total, one)
    return total[0]


def _by_block(
    q_bthd: Tensor, seen: Kept, place_s: Tensor, part: Pattern, *, fused: bool
) -> tuple[Tensor, Tensor]:
    """Outputs and, unless fused, log-sum-exps of one part, in the order of the queries."""
    own = place_s[len(place_s) - q_bthd.shape[1] :]
    order, outputs, sums = [], [], []
    for block in _query_blocks(own, part.fold):
        order.append(block)
        query = own[block]
        index, mask = _keys(part, query, place_s)
        q = _pick(q_bthd, block)
        k, v = _pick(seen.k_bshd, index), _pick(seen.v_bshd, index)
        mask = mask.to(q.device).unsqueeze(0)
        if not len(index):
            outputs.append(torch.zeros_like(q))
            sums.append(q.new_full(q.shape[:3], NOTHING))
        elif fused:
            outputs.append(masked_attention(q, k, v, mask))
        else:
            out, lse = attention_with_lse(q, k, v, mask)
            outputs.append(out)
            sums.append(lse)
    back = torch.cat(order).argsort()
    y = _pick(torch.cat(outputs, dim=1), back)
    return y, y if fused else _pick(torch.cat(sums, dim=1), back)


def _query_blocks(own_t: Tensor, fold: int) -> Iterator[Tensor]:
    """Indices of queries that go together, residue by residue."""
    residue = own_t % fold
    for value in residue.unique().tolist():
        yield from (residue == value).nonzero().squeeze(1).split(QUERY_BLOCK)


def _keys(part: Pattern, query_t: Tensor, place_s: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the seen keys that some query of a block sees `[K]`, and which does `[T, K]`."""
    wanted = part.keys(int(place_s[0]), int(query_t[0]), int(query_t[-1]))
    index = torch.searchsorted(place_s, wanted).clamp_max(len(place_s) - 1)
    index = index[place_s[index] == wanted]
    query, key = query_t.unsqueeze(1), place_s[index]
    return index, part.sees(query, key) & (key <= query)


def _pick(x_bs: Tensor, index_s: Tensor) -> Tensor:
    """Slots of the second axis, as a view where they follow each other."""
    n = len(index_s)
    if n and int(index_s[-1]) - int(index_s[0]) == n - 1 and bool((index_s.diff() == 1).all()):
        return x_bs.narrow(1, int(index_s[0]), n)
    return x_bs.index_select(1, index_s.to(x_bs.device))
