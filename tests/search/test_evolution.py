"""The search on losses whose best list is known."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farspan.errors import RequestError
from farspan.search.evolution import Budget, crossed, evolve, mutant, rising

LISTS = st.lists(st.floats(0.5, 20), min_size=1, max_size=12)


def is_rising(found, most):
    return all(1 <= a <= b <= most + 0.005 for a, b in pairwise(found))


@given(LISTS, LISTS, st.integers(0, 99))
def test_every_list_rises_within_bounds(one, two, seed):
    draw = random.Random(seed)
    one, two = (rising((x * 12)[:12], 10.0) for x in (one, two))
    for found in (one, two, mutant(one, 10.0, 0.5, draw), crossed(one, two, 10.0, draw)):
        assert is_rising(found, 10.0) and len(found) == 12
        assert all(round(x * 100) == pytest.approx(x * 100) for x in found)


def test_it_finds_a_rising_list_and_is_never_worse_than_its_seeds():
    wanted = [1 + 7 * (i / 7) ** 2 for i in range(8)]
    told = []

    def loss(found):
        return sum((a - b) ** 2 for a, b in zip(found, wanted, strict=True))

    seeds = [(8.0,) * 8, tuple(1 + i for i in range(8))]
    budget = Budget(population=16, parents=8, children=16, generations=20)
    best, least = evolve(loss, seeds, 10.0, budget, lambda *x: told.append(x))
    assert least == loss(best) < 0.1 * min(loss(seed) for seed in seeds)
    assert len(told) <= budget.trials and told[-1][1] == least
    assert evolve(loss, seeds, 10.0, budget) == (best, least)
    none = Budget(population=2, generations=0)
    assert evolve(loss, seeds, 10.0, none)[1] == min(loss(seed) for seed in seeds)


@pytest.mark.parametrize("wrong", [{"parents": 1}, {"generations": -1}, {"chance": 0.0}])
def test_bad_budgets(wrong):
    with pytest.raises(RequestError):
        Budget(**wrong)
