"""A whole decoder on sequence ranks: reading chunk by chunk, then answering token by token."""

from __future__ import annotations

import torch
import torch.distributed as dist

from farspan.mixers.base import Tokens
from farspan.parallel.sequence.shards import make_shards, own_slice, split_lengths

from ...training.test_segments import make
from ..ranks import run_ranks


@torch.no_grad()
def read_and_answer(rank):
    decoder = make()
    torch.manual_seed(2)
    ids = torch.randint(0, 32, (1, 40))
    state, own_state = decoder.init_state(1), decoder.init_state(1)
    chunks = [(0, 16, 16), (16, 32, 16), (32, 37, 0), (37, 38, 0), (38, 39, 0), (39, 40, 0)]
    for i, (start, stop, first) in enumerate(chunks):
        tokens = Tokens.plain(1, stop - start, start=start, first_asked=first)
        wanted, state = decoder(ids[:, start:stop], tokens, state)
        n = stop - start
        lengths = split_lengths(n, 2) if n > 1 else (0, 1)
        shards = make_shards(dist.group.WORLD, lengths, first, keep=True, continues=i > 0)
        own = own_slice(ids[:, start:stop], shards)
        got, own_state = decoder(own, shards.own(tokens), own_state)
        if wanted is None:
            assert got is None
        else:
            span = slice(*shards.edges[rank : rank + 2])
            torch.testing.assert_close(got, wanted[:, span], atol=1e-10, rtol=1e-10)
    shares = [layer.store.length for layer in own_state.layers if hasattr(layer, "store")]
    return shares


def test_two_ranks_read_and_answer_like_one():
    shares = run_ranks(2, read_and_answer)
    whole = [one + other for one, other in zip(*shares, strict=True)]
    assert whole == [40, 40, 8], "each rank stores its share alone; the last full layer, the asked"
