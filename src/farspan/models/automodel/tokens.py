"""What transformers' masks and positions say of a chunk, in farspan's words.

Axes: b row, t token of the chunk, s token of cache and chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.errors import RequestError
from farspan.mixers.base import Tokens


def tokens_of(
    ids_bt: Tensor,
    passed: int,
    mask_bs: Tensor | None,
    position_bt: Tensor | None,
    read_b: int | Tensor,
) -> Tokens:
    """The chunk's tokens behind `passed` others, each row one document.

    Positions count valid tokens unless they are given. The chunk is plain, and takes the mixers'
    fast path, where nothing is padded and all rows stand at the same place. Raises `RequestError`
    for masks of another shape.
    """
    batch, length = ids_bt.shape
    device = ids_bt.device
    if mask_bs is not None and tuple(mask_bs.shape) != (batch, passed + length):
        raise RequestError(
            f"attention_mask is {list(mask_bs.shape)}; it must be {[batch, passed + length]}: a"
            " number for each token of the cache and of input_ids, 0 at padding"
        )
    place_bt = torch.arange(passed, passed + length, device=device).expand(batch, length)
    padded = mask_bs is not None and not bool(mask_bs.all())
    if mask_bs is not None and padded:
        own_bt = (mask_bs.long().cumsum(1) - 1).clamp_min(0)[:, passed:]
        valid_bt = mask_bs[:, passed:].bool()
    else:
        own_bt, valid_bt = place_bt, torch.ones_like(place_bt, dtype=torch.bool)
    if position_bt is not None:
        own_bt = position_bt.to(device).expand(batch, length)
    same_read = isinstance(read_b, int) or bool((read_b == read_b.flatten()[0]).all())
    if not padded and same_read and (position_bt is None or torch.equal(own_bt, place_bt)):
        first = read_b if isinstance(read_b, int) else int(read_b.flatten()[0])
        asked = min(max(first - passed, 0), length)
        return Tokens.plain(batch, length, start=passed, first_asked=asked, device=device)
    read = read_b if isinstance(read_b, int) else read_b.to(device).view(-1, 1)
    return Tokens(own_bt, torch.where(valid_bt, 0, -1), own_bt >= read)
