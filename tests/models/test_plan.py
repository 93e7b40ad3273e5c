"""Plan strings: what they mean, that they print as they parse, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farspan.errors import RequestError
from farspan.mixers.full import Full
from farspan.mixers.recall import Recall
from farspan.mixers.window import Window
from farspan.models.plan import Plan, parse_plan

layers = st.one_of(
    st.just(Full()),
    st.builds(Recall, st.integers(1, 9999)),
    st.builds(Window, st.integers(10, 9999), st.integers(0, 9)),
)


@given(st.lists(layers, min_size=1, max_size=40))
def test_prints_as_it_parses(specs):
    plan = Plan(tuple(specs))
    assert parse_plan(str(plan), len(specs)) == plan


def test_nested_repeats():
    plan = parse_plan("window(64)*2, [recall(64), [window(32), full]*2]*2", 12)
    assert str(plan) == (
        "window(64)*2, recall(64), window(32), full, window(32), full, "
        "recall(64), window(32), full, window(32), full"
    )


def test_reader_preset_of_the_default_model():
    plan = parse_plan("reader", 30)
    assert plan.recall_layers == (6, 10, 14, 18)
    assert plan.read_depth == 19


@pytest.mark.parametrize("n_layers", [1, 2, 3, 12, 28, 80])
def test_reader_preset_fits_any_depth(n_layers):
    plan = parse_plan("reader", n_layers)
    assert len(plan.layers) == n_layers
    assert plan.recall_layers


def test_without_recall_everything_is_read():
    assert parse_plan("full", 4).read_depth == 4


@pytest.mark.parametrize(
    "text",
    [
        "",
        "full*",
        "full*0",
        "ful*4",
        "window(0)*4",
        "window(8",
        "[full*4",
        "full*4]",
        "full*3",
        "full(8)*4",
        "recall(8, sinks=2)*4",
        "window(8, size=2)*4",
        "window(8, window=2)*4",
        "window(8, 2)*4",
        "window(8, sinks=8)*4",
        "window()*4",
        "full full",
        "full@4",
    ],
)
def test_nonsense_gets_one_sentence(text):
    with pytest.raises(RequestError) as caught:
        parse_plan(text, 4)
    assert "plan" in str(caught.value)


def test_layers_may_go_without_positions():
    plan = parse_plan("[window(4, position=none), full]*2, full(none)", 5)
    assert str(plan) == (
        "window(4, position=none), full, window(4, position=none), full, full(position=none)"
    )
    with pytest.raises(RequestError, match="position must be one of model, none"):
        parse_plan("full(position=some)", 1)
