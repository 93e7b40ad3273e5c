"""`heads` in plans: how heads are shared, printed and refused."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from farspan.errors import RequestError
from farspan.mixers.base import Tokens
from farspan.models.plan import parse_plan
from tests.mixers.laws import D_MODEL, ROTARY, SHAPE

WIDE = dataclasses.replace(SHAPE, n_heads=10, n_kv_heads=5)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("heads(window(3)|full)", [3, 2]),
        ("heads(window(3)|window(9)|full)", [2, 2, 1]),
        ("heads(window(3)*3|full*2)", [3, 2]),
        ("heads(window(3)|full|window(3)|moba(4, top=2)|fixed(6, columns=2))", [1] * 5),
        ("heads(full|heads(window(3)|dilated(2, dilation=2)))", [3, 2]),
    ],
)
def test_plans_share_key_value_heads(text, sizes):
    plan = parse_plan(text, 1)
    assert str(plan) == text and parse_plan(str(plan), 1) == plan
    mixer = plan.layers[0].build(WIDE, ROTARY)
    assert mixer.sizes == sizes
    names = {name.split(".")[0] for name, _ in mixer.named_parameters()}
    assert names == {"qkv", "out"}, "parts have no projections of their own"


def test_equal_parts_are_the_mixer_itself():
    plan = parse_plan("heads(window(4)|window(4)), window(4)", 2)
    torch.manual_seed(0)
    heads, window = (spec.build(SHAPE, ROTARY) for spec in plan.layers)
    window.load_state_dict(heads.state_dict())
    x, tokens = torch.randn(2, 9, D_MODEL), Tokens.plain(2, 9)
    first, second = (m(x, tokens, m.init_state(2))[0] for m in (heads, window))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("heads(window(3)|recall(4))", "recall needs a layer of its own"),
        ("heads(learned|full)", "learned needs a layer of its own"),
        ("heads(window(3)|)", "unknown mixer"),
        ("heads(window(3), full)", "expected"),
        ("heads(window(3)|window(0))", "at least 1 token"),
        ("heads(window(3)", "too early"),
    ],
)
def test_nonsense_is_refused(text, said):
    with pytest.raises(RequestError, match=said):
        parse_plan(text, 1)


def test_more_parts_than_heads_are_refused():
    spec = parse_plan("heads(full|window(2)|full)", 1).layers[0]
    with pytest.raises(RequestError, match="3 parts; this model has 2 key-value heads"):
        spec.build(SHAPE, ROTARY)
