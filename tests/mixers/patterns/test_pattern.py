"""Patterns count, keep and list what their masks show, cell by cell."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from farspan.mixers.patterns.naive import naive_sees
from farspan.mixers.patterns.pattern import (
    Columns,
    Dilated,
    Every,
    First,
    OwnBlock,
    Sliding,
    Union,
)
from farspan.mixers.patterns.random import RandomBlocks

N = 40
small = st.integers(1, 9)


@st.composite
def columns(draw: st.DrawFn) -> Columns:
    near = draw(st.one_of(st.builds(Sliding, small), st.builds(OwnBlock, small)))
    period = draw(small)
    width = draw(st.integers(1, period))
    every = Every(period, draw(st.integers(0, period - width)), width)
    return Columns(near, draw(st.one_of(st.just(every), st.builds(First, st.integers(0, 9)))))


dilated = st.builds(Dilated, st.one_of(st.none(), small), small)


@st.composite
def unions(draw: st.DrawFn) -> Union:
    window = draw(small)
    far = Dilated(None, draw(small), beyond=window)
    return Union((Columns(Sliding(window), First(0)), far))


random_blocks = st.builds(
    RandomBlocks, small, st.integers(1, 4), st.integers(0, 3), st.integers(0, 4), st.integers(0, 9)
)
patterns = st.one_of(columns(), dilated, unions(), random_blocks)


@given(pattern=patterns)
@settings(max_examples=100, deadline=None)
def test_rules_agree_with_the_mask(pattern):
    mask = torch.tensor(
        [[s <= t and naive_sees(pattern, t, s) for s in range(N)] for t in range(N)]
    )
    place = torch.arange(N)
    seen = pattern.sees(place.unsqueeze(1), place) & (place <= place.unsqueeze(1))
    assert torch.equal(seen, mask)
    assert torch.equal(pattern.visible(place), mask.sum(1))
    half = torch.arange(N // 2)
    for last in (0, 5, N // 2 - 1):
        kept = pattern.keeps(half[: last + 1], torch.tensor(last))
        later = mask[last + 1 : last + 1 + N // 2, : last + 1].any(0)
        assert not bool((later & ~kept).any()), "what a later query sees is kept"
        assert int(kept.sum()) == pattern.kept(last + 1)


@given(
    pattern=st.one_of(columns(), dilated, random_blocks),
    first=st.integers(0, N - 1),
    begin=st.integers(0, N),
)
@settings(max_examples=100, deadline=None)
def test_keys_of_a_block_of_queries_are_all_that_any_of_them_sees(pattern, first, begin):
    begin = min(begin, first)
    queries = range(first, N, pattern.fold)
    wanted = {s for t in queries for s in range(begin, t + 1) if naive_sees(pattern, t, s)}
    found = pattern.keys(begin, first, queries[-1]).tolist()
    assert found == sorted(set(found)) and wanted <= set(found)


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        (Columns(Sliding(128), Every(128, 0, 1)), 128 + 8192),
        (Columns(OwnBlock(128), Every(128, 120, 8)), 128 + 8 * 8192),
        (Columns(Sliding(512), First(16)), 528),
        (Dilated(128, 4), 128 * 4),
    ],
)
def test_a_state_at_a_million_tokens_is_small(pattern, most):
    assert pattern.kept(1 << 20) <= most


def test_random_blocks_are_fixed_by_seed_and_place_and_spread_evenly():
    pattern = RandomBlocks(64, window=1, first=0, drawn=4)
    drawn = pattern.draw(torch.tensor([1000]))
    assert torch.equal(drawn, pattern.draw(torch.tensor([7, 1000]))[1:])
    assert not torch.equal(drawn, RandomBlocks(64, 1, 0, 4, seed=1).draw(torch.tensor([1000])))
    share = pattern.draw(torch.arange(1, 4001)) / torch.arange(1, 4001).unsqueeze(1)
    counts = torch.histc(share, bins=8, min=0, max=1) / share.numel()
    assert counts.min() > 0.11 and counts.max() < 0.14
