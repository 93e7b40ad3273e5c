"""The mask of the CUDA path and its blocks against the naive mask; the kernel itself, in eager."""

from __future__ import annotations

import warnings

import pytest
import torch

from farspan.mixers.patterns import flex
from farspan.mixers.patterns.chunked import pattern_attention
from farspan.mixers.patterns.naive import naive_sees
from farspan.mixers.patterns.pattern import Columns, Every, First, OwnBlock, Sliding
from farspan.mixers.window.chunked import Kept

PATTERNS = [
    Columns(Sliding(5), Every(3, 0, 1)),
    Columns(Sliding(1), Every(7, 6, 1)),
    Columns(OwnBlock(9), Every(9, 6, 3)),
    Columns(Sliding(12), First(5)),
    Columns(Sliding(8), First(0)),
]


def seen_places(pattern, start, n):
    """Positions that a state at `start` kept, and those of the chunk."""
    before = torch.arange(start)
    if start:
        before = before[pattern.keeps(before, torch.tensor(start - 1))]
    return torch.cat((before, torch.arange(start, start + n)))


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@pytest.mark.parametrize("start", [0, 31])
def test_blocks_cover_the_naive_mask(pattern, start, monkeypatch):
    monkeypatch.setattr(flex, "BLOCK", 4)
    place, n = seen_places(pattern, start, 50), 50
    query = place[-n:]
    far = place[pattern.far.has(place)]
    far = far[far < pattern.near.first(query[-1])]
    near = place[place >= pattern.near.first(query[0])]
    cells = flex.table(pattern, query, far, near)
    grid = cells.sees(torch.arange(n).unsqueeze(1), torch.arange(len(cells.key_s)).unsqueeze(0))
    for t in range(n):
        wanted = [s for s in range(int(query[t]) + 1) if naive_sees(pattern, int(query[t]), s)]
        assert sorted(cells.key_s[grid[t]].tolist()) == wanted
    for i, some in enumerate(cells.some_im):
        for m, any_seen in enumerate(some):
            part = grid[4 * i : 4 * i + 4, 4 * m : 4 * m + 4]
            assert bool(any_seen) or not bool(part.any())
            assert not bool(cells.every_im[i, m]) or bool(part.all())


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_the_kernel_agrees_with_the_other_path(pattern, monkeypatch):
    monkeypatch.setattr(flex, "QUERIES", 128)
    torch.manual_seed(0)
    place, n = seen_places(pattern, 37, 300), 300
    q = torch.randn(1, n, 4, 16)
    k, v = torch.randn(2, 1, len(place), 2, 16).unbind(0)
    kept = Kept(k, v, place.int().unsqueeze(0), torch.zeros(1, len(place), dtype=torch.int32))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # flex_attention warns that it is not compiled
        got = flex.flex_columns(q, k, v, place, pattern)
    torch.testing.assert_close(got, pattern_attention(q, kept, place, pattern), atol=1e-5, rtol=0)
