"""Cutting a text anywhere, and hiding sentences in it."""

import numpy as np
import pytest

from farspan.errors import RequestError
from farspan.evaluation.haystack import load_haystack


def test_a_stretch_has_the_tokens_asked_for_and_the_text_they_stand_for(book, tokenizer):
    for length in (50, 5000, 3 * len(book.ids)):
        body = book.take(np.random.default_rng(length), length)
        assert body.passage.n_tokens == length
        assert tokenizer.decode(body.passage.ids.tolist()) == body.passage.text
        assert body.starts[-1] == len(body.passage.text)


def test_it_starts_at_a_sentence_and_may_be_cut_before_one(book):
    body = book.take(np.random.default_rng(1), 3000)
    assert body.stops[0] == 0
    for stop in body.stops[1:]:
        before = body.passage.text[: body.starts[stop]].rstrip()
        assert before.endswith((".", "!", "?", '"', "”"))


def test_inserted_sentences_stand_where_they_were_put_in_their_order(book, encode):
    body = book.take(np.random.default_rng(2), 2000)
    pieces = [encode(f" Needle number {i}.") for i in range(3)]
    places = [body.place(1.0), body.place(0.0), body.place(0.0)]
    found = body.with_inserted(places, pieces)
    text = found.text
    assert text.startswith(" Needle number 1. Needle number 2.")
    assert text.index("Needle number 0") > 0.9 * len(text)
    assert found.n_tokens == 2000 + sum(piece.n_tokens for piece in pieces)
    without = text
    for piece in pieces:
        without = without.replace(piece.text, "", 1)
    assert without == body.passage.text


def test_files_folders_and_names(tmp_path, tokenizer):
    (tmp_path / "b.txt").write_text("The second file. " * 800)
    (tmp_path / "a.md").write_text("The first file. " * 800)
    both = load_haystack(str(tmp_path), tokenizer)
    assert both.text.index("first") < both.text.index("second")
    assert load_haystack("filler", tokenizer).text.startswith("The grass is green.")
    (tmp_path / "short.txt").write_text("Too short.")
    for name, reason in (("nowhere", "not a file"), (str(tmp_path / "short.txt"), "1000 or more")):
        with pytest.raises(RequestError, match=reason):
            load_haystack(name, tokenizer)
