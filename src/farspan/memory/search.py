"""Attention of asked tokens to the promising part of a store, found through its index.

Axes: b row (one), t query, r query of one key head, s key, h query head, g key head, n block.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from farspan.errors import RequestError
from farspan.memory.file_store import FileStore
from farspan.memory.scan import AttentionWatch, attend_store, fold, late_keys, unfold
from farspan.memory.sketch import COARSE, FINE
from farspan.memory.store import KeyValueStore, OverlayStore

ROWS = 64
"""Queries whose scores of all coarse blocks are held at once."""

SURE = 4096
"""Up to so many blocks the best are counted exactly."""


@dataclass(frozen=True)
class Search:
    """How much of a store asked tokens see; all of it up to `exact_below` tokens.

    Every query head names about `coarse` best blocks of 16 tokens, and of the blocks of 4 in what
    was named about `fine` best. A chunk opens what its queries name, at most `share` of the store
    or `least` tokens, if that is more, and all its queries see it. The first `sinks` and last
    `recent` tokens are always seen.
    """

    coarse: int = 1024
    fine: int = 64
    share: float = 0.02
    least: int = 16_384
    sinks: int = 64
    recent: int = 512
    exact_below: int = 262_144

    def __post_init__(self) -> None:
        for name in ("coarse", "fine", "least"):
            if getattr(self, name) < 1:
                raise RequestError(f"{name} is {getattr(self, name)}, must be 1 or more")
        if not 0 <= self.share <= 1:
            raise RequestError(f"share is {self.share}, must be from 0 to 1")

    def budget(self, length: int) -> int:
        """Blocks of `FINE` tokens that a chunk may open."""
        return max(self.least, int(self.share * length)) // FINE


def attend_found(
    q_bthd: Tensor, store: KeyValueStore, search: Search, watch: AttentionWatch | None = None
) -> Tensor:
    """As `attend_store`, over what `search` finds. Stores without an index are scanned whole."""
    base = store.base if isinstance(store, OverlayStore) else store
    indexed = isinstance(base, FileStore) and base.sketch is not None
    if not indexed or store.length <= search.exact_below:
        return attend_store(q_bthd, store, watch)
    assert isinstance(base, FileStore)
    n_queries, n_heads, d = q_bthd.shape[1:]
    q = fold(q_bthd, base.n_heads)[0].float() * d**-0.5
    blocks = find_blocks(q, base, search)
    k, v, place = _opened(store, base, blocks)
    score = torch.matmul(q, k.transpose(1, 2))
    late = late_keys(n_queries, n_heads // base.n_heads, store.length, place)
    score.masked_fill_(late, -torch.inf)
    weight = torch.softmax(score, -1)
    if watch is not None:
        n_blocks = -(-store.length // watch.block)
        mass = weight.new_zeros(*weight.shape[:2], n_blocks)
        mass.index_add_(2, place // watch.block, weight)
        watch.mass.append(unfold(mass.unsqueeze(0), n_queries))
    out = torch.matmul(weight, v)
    return unfold(out.unsqueeze(0), n_queries).to(q_bthd.dtype)


def find_blocks(q_grd: Tensor, store: FileStore, search: Search) -> Tensor:
    """The blocks of `FINE` tokens to open, sorted, int64 `[n]`: named ones, first and last."""
    sketch = store.sketch
    assert sketch is not None
    n_fine = store.length // FINE
    seen = torch.zeros(n_fine, dtype=torch.bool)
    named, worth = _named(q_grd, store, search)
    room = search.budget(store.length)
    if len(named) > room:
        named = named[worth.topk(room, sorted=False).indices]
    seen[named] = True
    seen[: search.sinks // FINE] = True
    seen[sketch.tokens // FINE :] = True
    seen[max(0, (store.length - search.recent) // FINE) :] = True
    return seen.nonzero().squeeze(1)


def _named(q_grd: Tensor, store: FileStore, search: Search) -> tuple[Tensor, Tensor]:
    """Fine blocks that any query names, and the most that one expects of each: `[n]`, `[n]`."""
    sketch = store.sketch
    assert sketch is not None
    means = sketch.coarse()
    q_grd = q_grd.to(means.dtype)
    seen = torch.zeros(means.shape[1], dtype=torch.bool)
    for q in q_grd.split(ROWS, 1):
        seen |= best(torch.matmul(q, means.transpose(1, 2)), search.coarse)
    coarse = seen.nonzero().squeeze(1)
    fine = (coarse.unsqueeze(1) * (COARSE // FINE) + torch.arange(COARSE // FINE)).flatten()
    means = sketch.fine(coarse)
    named = torch.zeros(len(fine), dtype=torch.bool)
    worth = torch.zeros(len(fine))
    for q in q_grd.split(ROWS, 1):
        score = torch.matmul(q, means.transpose(1, 2)).float()
        named |= best(score, search.fine)
        worth = torch.maximum(worth, score.softmax(-1).amax((0, 1)))
    return fine[named], worth[named]


def best(score_grn: Tensor, count: int) -> Tensor:
    """Blocks, bool `[n]`, that are among about `count` best of any query.

    A query's threshold is that of a regular sample of its scores, which costs a fraction of
    sorting them; all above it are taken. Up to `SURE` blocks it is exact.
    """
    n = score_grn.shape[-1]
    if count >= n:
        return torch.ones(n, dtype=torch.bool)
    stride = 1 if n <= SURE else max(1, min(16, count // 16))
    sample = score_grn[..., ::stride]
    kept = min(-(-count // stride), sample.shape[-1])
    threshold = sample.topk(kept, sorted=False).values.amin(-1, keepdim=True)
    # In bfloat16 hundreds of blocks tie at the threshold; where it is a guess, they stay out.
    chosen = score_grn >= threshold if stride == 1 else score_grn > threshold
    return chosen.flatten(0, 1).any(0)


def _opened(store: KeyValueStore, base: FileStore, blocks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Keys and values `[g, s, d]`, float32, of blocks, a short last one, a fork's tail; places."""
    place = (blocks.unsqueeze(1) * FINE + torch.arange(FINE)).flatten()
    rest = base.length // FINE * FINE
    parts = [base.gather(blocks, FINE)]
    if rest < base.length:
        rows = torch.arange(rest, base.length)
        parts.append(base.gather(rows, 1))
        place = torch.cat((place, rows))
    if isinstance(store, OverlayStore) and store.tail is not None:
        parts.append((store.tail.k_bshd[0], store.tail.v_bshd[0]))
        place = torch.cat((place, torch.arange(base.length, store.length)))
    k, v = (torch.cat(x).transpose(0, 1).float() for x in zip(*parts, strict=True))
    return k, v, place
