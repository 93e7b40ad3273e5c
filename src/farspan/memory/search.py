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
from farspan.memory.sizes import EXACT_BELOW
from farspan.memory.sketch import BLOCK, Sketch
from farspan.memory.store import KeyValueStore, OverlayStore

SCORES = 2**26
"""Scores of queries and block means that are held at once: 256 MB."""

OPENED = 16
"""Tokens that are opened together: fewer and longer reads than of `BLOCK`, and no worse answers."""

AT_ONCE = 8192
"""Block means that are scored at once: what stays in the cache."""


@dataclass(frozen=True)
class Search:
    """How much of a store asked tokens see; all of it up to `exact_below` tokens.

    A chunk opens the blocks that any of its queries expects to look at most, `share` of the store
    or `least` tokens, if that is more, and all its queries see them. The first `sinks` and last
    `recent` tokens are always seen. With `last_whole` a decoder's last recall layer sees
    everything: there a single key may be all that counts (docs/log.md).
    """

    share: float = 0.02
    least: int = 16_384
    sinks: int = 64
    recent: int = 512
    exact_below: int = EXACT_BELOW
    last_whole: bool = True

    def __post_init__(self) -> None:
        if self.least < 1:
            raise RequestError(f"least is {self.least}, must be 1 or more")
        if not 0 <= self.share <= 1:
            raise RequestError(f"share is {self.share}, must be from 0 to 1")

    def budget(self, length: int) -> int:
        """Blocks of `OPENED` tokens that a chunk may open."""
        return max(self.least, int(self.share * length)) // OPENED


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
    q = fold(q_bthd, base.n_heads)[0] * d**-0.5
    blocks = find_blocks(q, base, search)
    q = q.float()
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
    """The most promising blocks of `OPENED` tokens, the first and the last, sorted, int64 `[n]`.

    A block is worth what the best of its means is. Scores are computed in the queries' dtype.
    """
    sketch = store.sketch
    assert sketch is not None
    seen = torch.zeros(store.length // OPENED, dtype=torch.bool)
    worth = _worth(q_grd, sketch)
    whole = len(worth) * BLOCK // OPENED
    worth = worth[: whole * OPENED // BLOCK].view(whole, -1).amax(1)
    room = min(search.budget(store.length), whole)
    seen[worth.topk(room, sorted=False).indices] = True
    seen[: search.sinks // OPENED] = True
    seen[whole:] = True
    seen[max(0, (store.length - search.recent) // OPENED) :] = True
    return seen.nonzero().squeeze(1)


def _worth(q_grd: Tensor, sketch: Sketch) -> Tensor:
    """The logarithm of the most that any query expects of each block, `[n]`.

    A query expects of a block its share of the attention to all block means.
    """
    worth = torch.full((sketch.tokens // BLOCK,), -torch.inf)
    if not len(worth):
        return worth
    rows = max(1, SCORES // (q_grd.shape[0] * len(worth)))
    for q in q_grd.split(rows, 1):
        scores = [
            (first, torch.matmul(q, means.to(q.dtype).transpose(1, 2)).float())
            for first, means in sketch.means(AT_ONCE)
        ]
        total = torch.stack([score.logsumexp(-1) for _, score in scores]).logsumexp(0)
        for first, score in scores:
            part = worth[first : first + score.shape[-1]]
            torch.maximum(part, (score - total.unsqueeze(-1)).amax((0, 1)), out=part)
    return worth


def _opened(store: KeyValueStore, base: FileStore, blocks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Keys and values `[g, s, d]`, float32, of blocks, a short last one, a fork's tail; places."""
    place = (blocks.unsqueeze(1) * OPENED + torch.arange(OPENED)).flatten()
    rest = base.length // OPENED * OPENED
    parts = [base.gather(blocks, OPENED)]
    if rest < base.length:
        rows = torch.arange(rest, base.length)
        parts.append(base.gather(rows, 1))
        place = torch.cat((place, rows))
    if isinstance(store, OverlayStore) and store.tail is not None:
        parts.append((store.tail.k_bshd[0], store.tail.v_bshd[0]))
        place = torch.cat((place, torch.arange(base.length, store.length)))
    k, v = (torch.cat(x).transpose(0, 1).float() for x in zip(*parts, strict=True))
    return k, v, place
