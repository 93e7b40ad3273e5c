"""Passkey rows: the published template, exact lengths, and repeats that never outrun the past."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farspan.data.passkey import MOST_REPEATS, Passkeys, passkey_rows, repeats
from farspan.errors import RequestError

from ..tiny import make_tokenizer

TOKENIZER = make_tokenizer()


@pytest.fixture(scope="module")
def passkeys():
    return Passkeys(TOKENIZER)


@pytest.mark.parametrize("depth", [0.0, 0.4, 1.0])
def test_case_is_the_template(passkeys, depth):
    case = passkeys.case(3000, depth, np.random.default_rng(3))
    assert len(case.ids) + len(case.answer_ids) == 3000
    text = TOKENIZER.decode(case.ids.tolist())
    key = TOKENIZER.decode(case.answer_ids.tolist()).strip(" .")
    assert 1 <= int(key) <= 50_000
    assert text.startswith("There is an important info hidden inside a lot of irrelevant text.")
    assert f"\nThe pass key is {key}. Remember it. {key} is the pass key.\nThe grass" in text
    assert text.endswith("What is the pass key? The pass key is")
    assert text.count(key) == 2
    place = text.index(f"The pass key is {key}") / len(text)
    assert abs(place - depth) < 0.15
    needle = TOKENIZER.decode(case.ids[slice(*case.needle)].tolist())
    assert needle.strip() == f"The pass key is {key}. Remember it. {key} is the pass key."


def test_too_short_is_told(passkeys):
    with pytest.raises(RequestError, match="give at least"):
        passkeys.case(150, 0.5, np.random.default_rng(0))


def test_rows_mark_their_answers(passkeys):
    rows = passkey_rows(passkeys, 6, 2048, 64, np.random.default_rng(1), word_share=0.5)
    assert rows.token_bt.shape == rows.answer_bt.shape == (6, 2048)
    assert rows.times_bn.shape == (6, 32)
    for ids, answer in zip(rows.token_bt, rows.answer_bt, strict=True):
        said = TOKENIZER.decode(ids[answer].tolist()).strip(" .")
        assert TOKENIZER.decode(ids.tolist()).count(said) == 3
        assert answer[-1] and answer[: -rows.tail].sum() == 0


@settings(max_examples=50)
@given(st.integers(1, 30), st.integers(0, 2**20), st.data())
def test_repeats_keep_to_their_bounds(n, seed, data):
    start = data.draw(st.integers(0, n * 8 - 1))
    needle = (start, min(start + 5, n * 8))
    times = repeats(n, 8, needle, np.random.default_rng(seed))
    assert (np.log2(times) % 1 == 0).all() and times.max() <= MOST_REPEATS
    assert (times[needle[0] // 8 : (needle[1] - 1) // 8 + 1] == 1).all()
    for i in range(1, n):
        assert times[i] <= max(1, times[:i].sum())
