"""Any mixer by its merge: parts are computed from nothing, gathered, and folded in order.

The states of a part have a fixed size for linear mixers, so this is one exchange of a matrix a
head (as in LASP-2, Sun et al. 2025), with an affine map beside it for delta rules.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor

from farspan.memory.store import MemoryStore
from farspan.mixers.base import AttentionMixer, Tokens
from farspan.mixers.linear.mixer import LinearMixer
from farspan.parallel.collectives import gather, gather_ragged
from farspan.parallel.sequence.shards import Shards, untouched


def fold(
    shards: Shards, mixer: AttentionMixer, x_btc: Tensor, tokens: Tokens, state: Any
) -> tuple[Tensor, Any]:
    """The state before each part is the merge of those before it; stores are gathered whole."""
    part = mixer.init_part(x_btc.shape[0], device=x_btc.device, dtype=x_btc.dtype)
    if x_btc.shape[1]:
        part = mixer(x_btc, tokens, part)[1]
    x_btc, parts = gather_states(shards, x_btc, part, fixed=isinstance(mixer, LinearMixer))
    before = state
    for earlier in parts[: shards.rank]:
        before = mixer.merge(before, earlier)
    y = mixer(x_btc, tokens, before)[0] if x_btc.shape[1] else untouched(mixer, x_btc)
    if not shards.keep:
        return y, state
    for later in parts[shards.rank :]:
        before = mixer.merge(before, later)
    return y, before


def gather_states(
    shards: Shards, anchor: Tensor, state: Any, *, fixed: bool
) -> tuple[Tensor, list[Any]]:
    """The state of every rank; one that is not `fixed` may differ in length along axis 1."""
    tensors: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        tensors.append(tensor)
        return tensor

    visit(state, keep)
    lengths = [[tensor.shape[1] if tensor.ndim > 1 else 0 for tensor in tensors]] * shards.size
    if not fixed:
        own = torch.tensor(lengths[0], device=anchor.device)
        lengths = gather(anchor.detach(), own, shards.group)[1].tolist()
    found: list[list[Tensor]] = [[] for _ in range(shards.size)]
    if fixed:
        anchor, rows = _gather_fixed(shards, anchor, tensors)
        return anchor, [_rebuild(state, row) for row in rows]
    for i, tensor in enumerate(tensors):
        if tensor.ndim > 1:
            sizes = [row[i] for row in lengths]
            anchor, parts = gather_ragged(anchor, tensor, sizes, shards.group)
        else:
            anchor, every = gather(anchor, tensor, shards.group)
            parts = list(every)
        for row, part in zip(found, parts, strict=True):
            row.append(part)
    return anchor, [_rebuild(state, row) for row in found]


def _gather_fixed(
    shards: Shards, anchor: Tensor, tensors: list[Tensor]
) -> tuple[Tensor, list[list[Tensor]]]:
    """One exchange for all tensors of a dtype."""
    rows: list[list[Tensor]] = [[torch.empty(0)] * len(tensors) for _ in range(shards.size)]
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        own = [i for i, tensor in enumerate(tensors) if tensor.dtype == dtype]
        flat = torch.cat([tensors[i].flatten() for i in own])
        anchor, every = gather(anchor, flat, shards.group)
        for row, part in zip(rows, every, strict=True):
            pieces = part.split([tensors[i].numel() for i in own])
            for i, piece in zip(own, pieces, strict=True):
                row[i] = piece.view(tensors[i].shape)
    return anchor, rows


def _rebuild(state: Any, tensors: list[Tensor]) -> Any:
    rest = iter(tensors)
    return visit(state, lambda tensor: next(rest))


def visit(value: Any, change: Any) -> Any:
    """The state with each tensor changed, always in the same order; stores as their contents."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, MemoryStore):
        return MemoryStore(change(value.k_bshd), change(value.v_bshd))
    if isinstance(value, tuple):
        return tuple(visit(part, change) for part in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    parts = {field.name: visit(getattr(value, field.name), change) for field in fields(value)}
    return replace(value, **parts)
