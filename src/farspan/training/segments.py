"""Rows longer than memory: trained segment by segment, with the gradients of the whole graph.

Forward, each segment runs without a graph and its state before it is kept. Backward, from the last
segment to the first, each is run again with a graph: its gradient is that of its own loss and of
the state behind it, and gives the gradient of the state before it. So memory holds the graph of
one segment, and the states at the borders.

Stores of keys and values grow with the row. They are cut at the borders like any other state, but
kept once: a segment sees the keys before it as one tensor whose gradient is added up.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from farspan.errors import RequestError
from farspan.mixers.base import Tokens
from farspan.models.decoder import Decoder, DecoderState
from farspan.parallel.mesh import Mesh
from farspan.parallel.sequence.fold import visit
from farspan.training.batch import Batch
from farspan.training.loss import Losses, own_part, target_losses


def segment_losses(
    decoder: Decoder, batch: Batch, size: int, mesh: Mesh | None = None, factor: float = 1.0
) -> Losses:
    """As `losses` and a backward pass of `factor` times the total, in segments of `size` tokens.

    Gradients are those of the whole row up to rounding. Sequence ranks are not needed for it and
    not taken; batches with repeats are refused.
    """
    if batch.times_bn is not None:
        raise RequestError("rows with repeats are trained in one piece; set segment_tokens=0")
    weight = batch.targets()[1].sum()
    rows, shards = own_part(batch, mesh)
    if shards is not None:
        raise RequestError(
            "segment_tokens needs all of a row on one rank; set the mesh's sequence axis to 1, or "
            "segment_tokens=0 and let sequence ranks share the row"
        )
    ranks = 1 if mesh is None else mesh.parameters.size()
    pieces = list(_pieces(rows, size))
    states = [decoder.init_state(len(rows.token_bt))]
    with torch.no_grad():
        for piece in pieces[:-1]:
            states.append(_run(decoder, rows, piece, states[-1])[1])
    found: list[Losses] = []
    behind: list[Tensor] | None = None
    for piece in reversed(pieces):
        before, leaves = _leaves(states.pop())
        features, after = _run(decoder, rows, piece, before)
        roots: list[Tensor] = []
        gradients: list[Tensor] = []
        if behind is not None:
            pairs = zip(_floating(after), behind, strict=True)
            kept = [(x, gradient) for x, gradient in pairs if x.requires_grad]
            roots, gradients = [x for x, _ in kept], [gradient for _, gradient in kept]
        if features is not None:
            first = max(rows.first_asked - piece[0], 0)
            part = target_losses(decoder, features, rows, piece, first, weight, ranks)
            roots.append(part.total * factor)
            gradients.append(torch.ones_like(roots[-1]))
            found.append(part)
        torch.autograd.backward(roots, gradients)
        behind = [torch.zeros_like(x) if x.grad is None else x.grad for x in leaves]
    total, sums, weights = (
        torch.stack([getattr(part, name).detach() for part in found]).sum(0)
        for name in ("total", "sums", "weights")
    )
    return Losses(total, sums, weights)


def _pieces(rows: Batch, size: int) -> Iterator[tuple[int, int]]:
    length = rows.token_bt.shape[1]
    for start in range(0, length, size):
        yield start, min(start + size, length)


def _run(
    decoder: Decoder, rows: Batch, piece: tuple[int, int], state: DecoderState
) -> tuple[Tensor | None, DecoderState]:
    start, stop = piece
    ids = rows.token_bt[:, start:stop]
    first = min(max(rows.first_asked - start, 0), stop - start)
    tokens = Tokens.plain(*ids.shape, start=start, first_asked=first, device=ids.device)
    return decoder(ids, tokens, state)


def _leaves(state: DecoderState) -> tuple[DecoderState, list[Tensor]]:
    """The state cut off from what made it, and its tensors that gradients are wanted of."""
    leaves: list[Tensor] = []

    def cut(x: Tensor) -> Tensor:
        if not x.is_floating_point():
            return x
        leaves.append(x.detach().requires_grad_())
        return leaves[-1]

    return DecoderState(visit(state.layers, cut), state.length), leaves


def _floating(state: DecoderState) -> list[Tensor]:
    found: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        if x.is_floating_point():
            found.append(x)
        return x

    visit(state.layers, keep)
    return found
