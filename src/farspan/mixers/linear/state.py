"""What a linear mixer remembers, and how the states of two parts become one.

Axes: b row, g key-value head, d key feature, e value feature, x decay: one a head or one a feature.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from farspan.mixers.base import Tokens


@dataclass(frozen=True)
class LinearState:
    """A memory `[B, G, D, E]` of float32 (float64 for float64 models) and what belongs to it.

    `document_b` (int32) names the document that the memory holds, -1 before the first token.
    `key_sum_bgd` is there where outputs are normalised by it. `log_decay_bgx` (additive rules with
    decay) and `map_bgdd` (delta rules, parts only) tell what remains of a memory that stood before
    the state's first token: exp(log_decay) S, or map S; nothing once another document began.
    """

    mem_bgde: Tensor
    document_b: Tensor
    key_sum_bgd: Tensor | None = None
    log_decay_bgx: Tensor | None = None
    map_bgdd: Tensor | None = None


def document_starts(tokens: Tokens, document_b: Tensor) -> tuple[Tensor, Tensor]:
    """Where another document begins than the one before, `[B, T]`, and the last document `[B]`."""
    valid = tokens.valid_bt
    place = torch.arange(valid.shape[1], device=valid.device)
    last = torch.where(valid, place, -1).cummax(dim=1).values
    filled = torch.gather(tokens.document_bt, 1, last.clamp_min(0)).int()
    filled = torch.where(last >= 0, filled, document_b.unsqueeze(1))
    before = torch.cat((document_b.unsqueeze(1), filled[:, :-1]), dim=1)
    return (before >= 0) & (filled != before), filled[:, -1]


def merge_states(first: LinearState, second: LinearState) -> LinearState:
    """The state of two parts in order; a second part of a delta rule has its map."""
    empty = (first.document_b < 0) | (second.document_b < 0)
    joined = ((first.document_b == second.document_b) | empty)[:, None, None]
    carried = first.mem_bgde
    log_decay, map_, key_sum = first.log_decay_bgx, first.map_bgdd, first.key_sum_bgd
    if log_decay is not None and second.log_decay_bgx is not None:
        carried = second.log_decay_bgx.exp().unsqueeze(-1) * carried
        log_decay = torch.where(joined, log_decay + second.log_decay_bgx, -torch.inf)
    if second.map_bgdd is not None:
        carried = second.map_bgdd @ carried
        if map_ is not None:
            map_ = torch.where(joined.unsqueeze(-1), second.map_bgdd @ map_, 0.0)
    if key_sum is not None and second.key_sum_bgd is not None:
        key_sum = torch.where(joined, key_sum, 0.0) + second.key_sum_bgd
    return LinearState(
        torch.where(joined.unsqueeze(-1), carried, 0.0) + second.mem_bgde,
        torch.where(second.document_b < 0, first.document_b, second.document_b),
        key_sum,
        log_decay,
        map_,
    )
