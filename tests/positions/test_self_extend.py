"""Self-Extend's places: exact nearby, grouped and continuous beyond, within the trained length."""

from __future__ import annotations

import torch

from farspan.mixers.naive import naive_distance
from farspan.positions.base import ScoreMethod
from farspan.positions.dual_chunk import DualChunk
from farspan.positions.registry import parse_positions
from farspan.positions.self_extend import SelfExtend


def distances(method: ScoreMethod, n: int) -> torch.Tensor:
    """`[query, key]` from the parts, -1 above the diagonal; every pair must be in one part."""
    query, key = torch.arange(n).unsqueeze(1), torch.arange(n).unsqueeze(0)
    causal = key <= query
    found, seen = torch.full((n, n), -1), torch.zeros(n, n, dtype=torch.int)
    for part in method.parts():
        here = part.sees(query, key) & causal
        seen += here
        apart = part.query_place(query) - part.key_place(key)
        found = torch.where(here, apart, found)
    assert torch.equal(seen.bool(), causal) and int(seen.max()) == 1
    return found


def test_parts_agree_with_the_paper_for_every_pair():
    for method in (SelfExtend(3, 5), SelfExtend(4, 8), DualChunk(12, 7), DualChunk(16)):
        found = distances(method, 50)
        for query in range(50):
            for key in range(query + 1):
                assert found[query, key] == naive_distance(method, query, key)


def test_neighbours_are_exact_and_the_rest_grows_by_groups():
    found = distances(SelfExtend(4, 8), 64)[-1].flip(0)
    assert found[:8].tolist() == list(range(8))
    steps = found[7:].diff()
    assert set(steps.tolist()) <= {0, 1} and int(steps.sum()) <= 14


def test_the_factor_chooses_a_group_that_keeps_within_the_trained_length():
    for trained, factor in ((64, 4), (100, 7.5), (64, 1)):
        method = parse_positions("self_extend", trained, factor).scores
        assert int(distances(method, int(trained * factor)).max()) <= trained
