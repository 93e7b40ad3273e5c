"""What the fixed patterns of a plan show, and what is refused."""

from __future__ import annotations

import dataclasses

import pytest

from farspan.errors import RequestError
from farspan.mixers.heads import HeadsAttention
from farspan.mixers.patterns import Dilate, Fixed, Global, PatternAttention, Strided
from farspan.mixers.patterns.naive import naive_sees
from tests.mixers.laws import ROTARY, SHAPE

N = 40


def shown(spec, head: int = 0) -> set[tuple[int, int]]:
    pattern = spec.patterns()[head]
    return {(t, s) for t in range(N) for s in range(t + 1) if naive_sees(pattern, t, s)}


def cells(rule) -> set[tuple[int, int]]:
    return {(t, s) for t in range(N) for s in range(t + 1) if rule(t, s)}


@pytest.mark.parametrize(
    ("spec", "rules"),
    [
        (Strided(5, 4), [lambda t, s: t - s < 5 or s % 4 == 0]),
        (Strided(4, 4, anchor="query"), [lambda t, s: t - s < 4 or (t - s) % 4 == 0]),
        (
            Strided(4, 3, heads="split"),
            [lambda t, s: t - s < 4, lambda t, s: s == t or s % 3 == 0],
        ),
        (
            Strided(4, 3, anchor="query", heads="split"),
            [lambda t, s: t - s < 4, lambda t, s: (t - s) % 3 == 0],
        ),
        (Fixed(6, 2), [lambda t, s: t // 6 == s // 6 or s % 6 >= 4]),
        (
            Fixed(6, 2, heads="split"),
            [lambda t, s: t // 6 == s // 6, lambda t, s: s == t or s % 6 >= 4],
        ),
        (Dilate(3, 4), [lambda t, s: t - s in (0, 4, 8)]),
        (Global(4, 2), [lambda t, s: t - s < 4 or s < 2]),
    ],
)
def test_masks_are_those_of_the_papers(spec, rules):
    assert [shown(spec, i) for i in range(len(rules))] == [cells(rule) for rule in rules]


def test_split_heads_need_two_key_value_heads_and_share_them():
    mixer = Fixed(6, 2, heads="split").build(dataclasses.replace(SHAPE, n_kv_heads=4), ROTARY)
    assert isinstance(mixer, HeadsAttention) and mixer.sizes == [2, 2]
    assert all(isinstance(part, PatternAttention) for part in mixer.mixers)
    with pytest.raises(RequestError, match="1 key-value heads"):
        Fixed(6, 2, heads="split").build(dataclasses.replace(SHAPE, n_kv_heads=1), ROTARY)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Strided(0), "at least 1 token"),
        (lambda: Strided(4, 0), "stride"),
        (lambda: Strided(4, 4, anchor="end"), "start, query"),
        (lambda: Strided(4, 4, heads="both"), "merged, split"),
        (lambda: Fixed(4, 5), "columns"),
        (lambda: Fixed(4, 0), "columns"),
        (lambda: Dilate(4, 0), "dilation"),
        (lambda: Global(4, 0), "global"),
        (lambda: Global(4, 1, position="some"), "position"),
    ],
)
def test_bad_settings_are_refused(make, said):
    with pytest.raises(RequestError, match=said):
        make()
