"""The loss of a batch, chunk by chunk of its targets, over all ranks that share it.

Axes: b row, t token, n chosen target, c feature, v vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.distributed as dist
from torch import Tensor

from farspan import compat
from farspan.errors import RequestError
from farspan.mixers.base import Tokens
from farspan.models.decoder import Decoder
from farspan.parallel.mesh import Mesh
from farspan.parallel.sequence.shards import Shards, make_shards, own_slice, split_lengths
from farspan.training.batch import Batch

BUCKETS = 8
"""Equal parts of the row whose losses are told apart."""


@dataclass(frozen=True)
class Losses:
    """`total` is to be differentiated; `sums` and `weights`, by position, are for reporting.

    Over all ranks the sums and weights add up to those of the batch.
    """

    total: Tensor
    sums: Tensor
    weights: Tensor


def batch_loss(decoder: Decoder, batch: Batch, mesh: Mesh | None = None) -> Tensor:
    """Mean cross-entropy, in nats, over the targets with weight."""
    return losses(decoder, batch, mesh).total


def losses(decoder: Decoder, batch: Batch, mesh: Mesh | None = None) -> Losses:
    """The loss of this rank's part of a batch, which every rank has whole.

    Rows are shared out over data ranks and cut over sequence ranks. Each rank's total counts
    as many times as there are ranks, because sharded gradients are averaged.
    """
    weight = batch.targets()[1].sum()
    rows, shards = own_part(batch, mesh)
    features, _ = decoder(*inputs(rows, shards), decoder.init_state(len(rows.token_bt)))
    assert features is not None, "a batch ends with asked tokens"
    span, first = (0, batch.token_bt.shape[1]), batch.first_asked
    if shards is not None and shards.first_asked is not None:
        span = shards.edges[shards.rank], shards.edges[shards.rank + 1]
        first = shards.first_asked[shards.rank]
    ranks = 1 if mesh is None else mesh.parameters.size()
    return target_losses(decoder, features, rows, span, first, weight, ranks)


def own_part(batch: Batch, mesh: Mesh | None) -> tuple[Batch, Shards | None]:
    """This rank's rows, and how they are cut; raises `RequestError` where there are too few."""
    if mesh is None:
        return batch, None
    n_data, n_rows = mesh.shape.data, len(batch.token_bt)
    if n_rows < n_data:
        raise RequestError(
            f"a batch of {n_rows} rows cannot be shared by {n_data} data ranks; use fewer of them, "
            "more sequence ranks, or longer steps (read_tokens)"
        )
    rows = batch.rows(slice(mesh.data_rank, None, n_data))
    if mesh.shape.sequence == 1:
        return rows, None
    lengths = split_lengths(batch.token_bt.shape[1], mesh.shape.sequence)
    return rows, make_shards(mesh.sequence, lengths, batch.first_asked)


def inputs(rows: Batch, shards: Shards | None) -> tuple[Tensor, Tokens]:
    """Token ids and what mixers know of them, this rank's part alone."""
    ids = rows.token_bt
    tokens = Tokens.plain(*ids.shape, first_asked=rows.first_asked, device=ids.device)
    tokens = replace(tokens, times_bn=rows.times_bn)
    if shards is None:
        return ids, tokens
    if rows.times_bn is not None:
        raise RequestError("rows with repeats are not cut; set the mesh's sequence axis to 1")
    return own_slice(ids, shards), shards.own(tokens)


def target_losses(
    decoder: Decoder,
    features_btc: Tensor,
    rows: Batch,
    span: tuple[int, int],
    first: int,
    weight: Tensor,
    ranks: int,
) -> Losses:
    """Loss of tokens `span` of the rows, whose features begin at the span's token `first`.

    `weight` is the whole batch's, `ranks` what the total counts.
    """
    target, weights = (x[:, slice(*span)][:, first:] for x in rows.targets())
    place = torch.arange(span[0] + first, span[1], device=target.device).expand_as(target)
    chosen = weights > 0
    target, weights, place = target[chosen], weights[chosen], place[chosen]
    loss_n = compat.linear_cross_entropy(features_btc[chosen], decoder.head.weight, target)
    weighted = loss_n * weights
    bucket = place * BUCKETS // rows.token_bt.shape[1]
    sums = torch.zeros(BUCKETS, device=target.device)
    counts = sums.index_add(0, bucket, weights.float())
    sums = sums.index_add(0, bucket, weighted.detach().float())
    return Losses(weighted.sum() / weight * ranks, sums, counts)


def summed(parts: list[Losses], mesh: Mesh) -> tuple[Tensor, Tensor]:
    """Sums and weights `[parts, BUCKETS]` over all ranks."""
    both = torch.stack([torch.stack((part.sums, part.weights)) for part in parts])
    dist.all_reduce(both, group=mesh.everyone)
    return both[:, 0], both[:, 1]
