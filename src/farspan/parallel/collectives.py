"""Exchanges between ranks that autograd sees through.

Every function takes an *anchor* and gives it back: a tensor that the rank's own output needs. It
makes the backward exchange happen on every rank, also where nothing of what came is used, and in
the reverse order of the forward ones, so ranks never wait for each other in different places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

from farspan import compat


def gather(anchor: Tensor, x: Tensor, group: dist.ProcessGroup) -> tuple[Tensor, Tensor]:
    """`x`, of the same shape on every rank, from all of them: `[ranks, ...]`."""
    if not x.is_floating_point():
        return anchor, _all_gather(x, group)
    return _Gather.apply(anchor, x, group)


def gather_ragged(
    anchor: Tensor, x: Tensor, lengths: Sequence[int], group: dist.ProcessGroup
) -> tuple[Tensor, list[Tensor]]:
    """`[B, lengths[rank], ...]` from all ranks, in their order; padded on the way."""
    most = max(lengths)
    padding = (0, 0) * (x.ndim - 2) + (0, most - x.shape[1])
    anchor, every = gather(anchor, F.pad(x, padding), group)
    return anchor, [part[:, :length] for part, length in zip(every, lengths, strict=True)]


def exchange(
    anchor: Tensor,
    pieces: Sequence[Tensor],
    shapes: Sequence[Sequence[int]],
    group: dist.ProcessGroup,
) -> tuple[Tensor, list[Tensor]]:
    """Sends `pieces[i]` to rank i and returns what each rank sent here, of the `shapes` told."""
    sent = torch.cat([piece.flatten() for piece in pieces])
    sizes = [_size(shape) for shape in shapes]
    counts = [piece.numel() for piece in pieces]
    if sent.is_floating_point():
        anchor, came = _Exchange.apply(anchor, sent, counts, sizes, group)
    else:
        came = _all_to_all(sent, counts, sizes, group)
    parts = came.split(sizes)
    return anchor, [part.view(*shape) for part, shape in zip(parts, shapes, strict=True)]


def _size(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, anchor: Tensor, x: Tensor, group: dist.ProcessGroup) -> Any:
        ctx.group = group
        return anchor.view_as(anchor), _all_gather(x, group)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        anchor, every = gradients
        own = torch.empty_like(every[0])
        compat.reduce_scatter_into(own.view(-1), every.contiguous().view(-1), ctx.group)
        return anchor, own, None


class _Exchange(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        anchor: Tensor,
        sent: Tensor,
        outgoing: list[int],
        incoming: list[int],
        group: dist.ProcessGroup,
    ) -> Any:
        ctx.outgoing, ctx.incoming, ctx.group = outgoing, incoming, group
        return anchor.view_as(anchor), _all_to_all(sent, outgoing, incoming, group)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        anchor, came = gradients
        own = _all_to_all(came.contiguous(), ctx.incoming, ctx.outgoing, ctx.group)
        return anchor, own, None, None, None


def _all_gather(x: Tensor, group: dist.ProcessGroup) -> Tensor:
    x = x.contiguous()
    out = x.new_empty(dist.get_world_size(group), *x.shape)
    compat.all_gather_into(out.view(-1), x.view(-1), group)
    return out


def _all_to_all(
    sent: Tensor, outgoing: list[int], incoming: list[int], group: dist.ProcessGroup
) -> Tensor:
    came = sent.new_empty(sum(incoming))
    dist.all_to_all_single(came, sent, incoming, outgoing, group=group)
    return came
