"""Looked-up tokens are the tokenizer's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farspan.evaluation.encoder import Encoder, join

from ..tiny import make_tokenizer
from .conftest import train_tokenizer

CODER = Encoder(train_tokenizer(800))
WORDS = st.sampled_from(["otter", "well-known", "7", "1234", "a1b2", "isn't", "'tis", "...", "->"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(WORDS, st.text("ab Z9'._\n-", max_size=9)), max_size=12))
def test_ids_are_those_of_the_tokenizer_where_words_are_looked_up(words):
    text = " ".join(words)
    assert CODER._fine
    assert CODER.ids(text).tolist() == CODER.tokenizer.encode(text, special=False)


@pytest.mark.parametrize("text", ["Café – naïve", "a  b", "line\n\n  indented\ttabs", ""])
def test_texts_that_are_not_cut_have_the_same_tokens_too(text):
    assert CODER.ids(text).tolist() == CODER.tokenizer.encode(text, special=False)


def test_a_tokenizer_that_merges_digits_is_not_cut_at_digits():
    coder = Encoder(make_tokenizer())  # trained on "7349", which may have become one token
    text = "The number 7349 was written, 42 times over."
    assert coder.ids(text).tolist() == coder.tokenizer.encode(text, special=False)


def test_joined_passages_keep_their_tokens():
    one, two = CODER("The otter"), CODER(" swims.\n")
    both = join((one, two.times(3)))
    assert both.text == "The otter" + " swims.\n" * 3
    assert both.ids.tolist() == [*one.ids, *two.ids, *two.ids, *two.ids]
    assert join(()).n_tokens == 0 and join(()).ids.dtype == np.uint32
