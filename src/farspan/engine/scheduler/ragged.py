"""One pass through the model for rows of different lengths, positions and kinds.

The tokens of all rows stand behind one another in one sequence for everything that works token by
token (projections, feed-forward networks), so that weights are read once a step. What looks at
other tokens runs row by row on each row's own state, wherever it lies, so no row is padded and
none can see another.

Axes: t token of all rows, h head, d feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from farspan.memory.scan import AttentionWatch
from farspan.memory.search import Search
from farspan.mixers.base import AttentionMixer, Tokens
from farspan.models.decoder import Decoder, DecoderState


@dataclass(frozen=True)
class Chunk:
    """The next tokens of one row, behind `state`: all asked, or all read.

    `scored` wants the scores of the token that follows; `watch` collects where recall layers look.
    """

    ids: Sequence[int]
    state: DecoderState
    asked: bool = True
    scored: bool = True
    watch: AttentionWatch | None = None
    search: Search | None = None


@dataclass(frozen=True)
class Advanced:
    """A row after its chunk: scores `[V]`, float32, if it wanted them, and the state."""

    logits: Tensor | None
    state: DecoderState


@dataclass
class _Row:
    chunk: Chunk
    tokens: Tokens
    states: list[Any] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.chunk.ids)


@torch.inference_mode()
def advance_rows(decoder: Decoder, chunks: Sequence[Chunk]) -> list[Advanced]:
    """Takes every row one chunk further, as `decoder` would take each alone."""
    device, depth = decoder.device, decoder.plan.read_depth
    ids = [token for chunk in chunks for token in chunk.ids]
    x = decoder.embed(torch.tensor([ids], device=device))
    rows = [_row(chunk, device) for chunk in chunks]
    active = _with_tables(decoder, rows, x.dtype)
    absorbs = bool(decoder.plan.recall_layers)
    for i in range(len(decoder.layers)):
        if i == depth - 1 and absorbs:
            x, active = _absorb(decoder, i, x, active)
        if not active:
            break
        layer = decoder.layer(i)
        x = x + _mix(layer.mixer, i, layer.mixer_norm(x), active)
        x = x + layer.mlp(layer.mlp_norm(x))
    logits = iter(_scores(decoder, x, active))
    return [
        Advanced(
            next(logits) if row.chunk.asked and row.chunk.scored else None,
            DecoderState(tuple(row.states), row.chunk.state.length + row.size),
        )
        for row in rows
    ]


def _row(chunk: Chunk, device: torch.device) -> _Row:
    size = len(chunk.ids)
    tokens = Tokens.plain(
        1, size, start=chunk.state.length, first_asked=0 if chunk.asked else size, device=device
    )
    tokens = replace(tokens, watch=chunk.watch, search=chunk.search)
    return _Row(chunk, tokens, list(chunk.state.layers))


def _with_tables(decoder: Decoder, rows: Sequence[_Row], dtype: torch.dtype) -> list[_Row]:
    """The rows with their parts of one rotary table."""
    position = torch.cat([row.tokens.position_bt for row in rows], dim=1)
    cos, sin = decoder.rotary.table(position, dtype)
    at = 0
    for row in rows:
        part = slice(at, at + row.size)
        row.tokens = replace(row.tokens, table=(cos[:, part], sin[:, part]))
        at += row.size
    return list(rows)


def _absorb(
    decoder: Decoder, i: int, x_1tc: Tensor, rows: Sequence[_Row]
) -> tuple[Tensor, list[_Row]]:
    """The last recall layer only writes read tokens; rows of asked ones go on."""
    layer = decoder.layer(i)
    kept, parts = [], []
    for row, part in zip(rows, x_1tc.split([row.size for row in rows], 1), strict=True):
        if row.chunk.asked:
            kept.append(row)
            parts.append(part)
        else:
            state = row.states[i]
            row.states[i] = layer.mixer.absorb(layer.mixer_norm(part), row.tokens, state)
    return (torch.cat(parts, 1) if parts else x_1tc[:, :0]), kept


def _mix(mixer: AttentionMixer, i: int, x_1tc: Tensor, rows: Sequence[_Row]) -> Tensor:
    """The mixer's output for all rows; each row's state `i` becomes that after its chunk."""
    sizes = [row.size for row in rows]
    outs = []
    if type(mixer).forward is not AttentionMixer.forward:  # it needs more than projections
        for row, part in zip(rows, x_1tc.split(sizes, 1), strict=True):
            y, row.states[i] = mixer(part, row.tokens, row.states[i])
            outs.append(y)
        return torch.cat(outs, 1)
    tables = [row.tokens.table for row in rows if row.tokens.table is not None]
    whole = replace(
        rows[0].tokens,
        position_bt=torch.cat([row.tokens.position_bt for row in rows], 1),
        table=(torch.cat([t[0] for t in tables], 1), torch.cat([t[1] for t in tables], 1)),
    )
    q, k, v = (part.split(sizes, 1) for part in mixer.project(x_1tc, whole))
    for row, q_row, k_row, v_row in zip(rows, q, k, v, strict=True):
        y, row.states[i] = mixer.attend(q_row, k_row, v_row, row.tokens, row.states[i])
        outs.append(y)
    return mixer.out(torch.cat(outs, 1).flatten(2))


def _scores(decoder: Decoder, x_1tc: Tensor, rows: Sequence[_Row]) -> Tensor:
    """Scores `[rows, V]`, float32, behind the last token of each row that wants them."""
    last, at = [], 0
    for row in rows:
        at += row.size
        if row.chunk.asked and row.chunk.scored:
            last.append(at - 1)
    if not last:
        return x_1tc.new_empty(0, 0)
    place = torch.tensor(last, device=x_1tc.device)
    return decoder.logits(decoder.norm(x_1tc[:, place]))[0].float()
