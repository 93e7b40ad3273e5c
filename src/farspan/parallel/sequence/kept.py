"""Keys and values of other ranks' tokens: the last few before a part, or all of them.

Axes: b row, s token, h head, f features of key and value together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.window.chunked import Kept, keep_recent
from farspan.parallel.collectives import exchange, gather_ragged
from farspan.parallel.sequence.shards import Shards


def gather_kept(
    shards: Shards, anchor: Tensor, own: Kept, lengths: tuple[int, ...]
) -> tuple[Tensor, list[Kept]]:
    """What each rank keeps, `lengths` tokens of it, from every rank."""
    anchor, features = gather_ragged(anchor, _joined(own), lengths, shards.group)
    _, places = gather_ragged(anchor.detach(), _places(own), lengths, shards.group)
    pairs = zip(features, places, strict=True)
    return anchor, [_parted(own, feature, place) for feature, place in pairs]


def recent_before(
    shards: Shards, anchor: Tensor, own: Kept, before: Kept, size: int, plain: bool
) -> tuple[Tensor, Kept, Kept]:
    """The last `size` tokens before this rank's part, and behind the whole chunk (with `keep`).

    `own` are the part's tokens, `before` those kept from earlier chunks. A halo: each rank sends
    its last tokens to the ranks that they reach; with `keep` to all.
    """
    tail = keep_recent(before.each(lambda x: x[:, :0]), own, size, plain)
    sizes = tuple(min(size, length) for length in shards.lengths)
    if shards.keep:
        anchor, tails = gather_kept(shards, anchor, tail, sizes)
        behind = _last(before, tails, size, plain)
        return anchor, _last(before, tails[: shards.rank], size, plain), behind
    anchor, tails = _halo(shards, anchor, tail, sizes, size, plain)
    return anchor, _last(before, tails, size, plain), before


def _last(before: Kept, tails: list[Kept], size: int, plain: bool) -> Kept:
    for tail in tails:
        before = keep_recent(before, tail, size, plain)
    return before.last(size)


def _halo(
    shards: Shards, anchor: Tensor, tail: Kept, sizes: tuple[int, ...], size: int, plain: bool
) -> tuple[Tensor, list[Kept]]:
    """Tails from those earlier ranks that a part looks back to, in order."""
    needs = [_reach(shards.lengths, rank, size, plain) for rank in range(shards.size)]
    features, places = _joined(tail), _places(tail)
    batch, rank = features.shape[0], shards.rank
    goes = [rank in needs[other] for other in range(shards.size)]
    comes = [sizes[other] if other in needs[rank] else 0 for other in range(shards.size)]

    def send(anchor: Tensor, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        pieces = [x if go else x[:, :0] for go in goes]
        shapes = [(batch, length, *x.shape[2:]) for length in comes]
        return exchange(anchor, pieces, shapes, shards.group)

    anchor, came = send(anchor, features)
    _, came_places = send(anchor.detach(), places)
    return anchor, [_parted(tail, came[other], came_places[other]) for other in sorted(needs[rank])]


def _reach(lengths: tuple[int, ...], rank: int, size: int, plain: bool) -> set[int]:
    """The earlier ranks that hold the last `size` tokens; where there is padding, all of them."""
    found: set[int] = set()
    for other in reversed(range(rank)):
        if plain and sum(lengths[i] for i in found) >= size:
            break
        if lengths[other] and size:
            found.add(other)
    return found


def _joined(kept: Kept) -> Tensor:
    return torch.cat((kept.k_bshd.flatten(2), kept.v_bshd.flatten(2)), dim=-1)


def _places(kept: Kept) -> Tensor:
    return torch.stack((kept.position_bs, kept.document_bs), dim=-1)


def _parted(like: Kept, features_bsf: Tensor, places_bsx: Tensor) -> Kept:
    heads, key, value = *like.k_bshd.shape[2:], like.v_bshd.shape[-1]
    k, v = features_bsf.split([heads * key, heads * value], dim=-1)
    k, v = k.unflatten(-1, (heads, key)), v.unflatten(-1, (heads, value))
    return Kept(k, v, *places_bsx.unbind(-1))
