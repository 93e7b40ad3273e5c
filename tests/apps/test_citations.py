from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from farspan.apps import citations
from farspan.apps.citations import BLOCK, MAX_CHARS, Looks, cite
from farspan.data.reader import Document, Part, document_from_text
from tests.tiny import STORY, make_tokenizer

TOKENIZER = make_tokenizer()
FILLER = "The sea was grey and nothing happened for a while. Then more of the same came.\n\n"
LAYERS, HEADS, PREFIX = 2, 4, 11


def places_of(text):
    return TOKENIZER.encode_document(text)[1]


def block_of(text, words, starts):
    """The block of stored tokens in which some words begin."""
    token = int(np.searchsorted(starts, text.index(words), side="right")) - 1
    return (token + PREFIX) // BLOCK


def watch(n_blocks, looks, tail=2):
    """One token's attention `[1, 1, H, blocks]` a layer: mostly the first block, the rest even."""
    mass = []
    for layer in range(LAYERS):
        one = torch.full((1, 1, HEADS, n_blocks + tail), 0.2 / (n_blocks + tail))
        one[..., 0] += 0.8
        for head, block, share in looks:
            if head // HEADS == layer:
                one[:, :, head % HEADS] *= 1 - share
                one[:, :, head % HEADS, block] += share
        mass.append(one)
    return mass


def quote(text, tokens, words="", document=None):
    """Citations for an answer of which each token has a list of (head, block, share)."""
    starts = places_of(text)
    looks = Looks(-(-(len(starts) + PREFIX) // BLOCK))
    for one in tokens:
        looks.add(watch(looks.n_blocks, one))
    neutral = [layer.expand(1, 3, -1, -1) for layer in watch(looks.n_blocks, [])]
    scores = looks.scores(neutral)
    return cite(document or document_from_text(text, "a.txt"), starts, PREFIX, scores, words)


def test_the_sentence_that_heads_looked_at_is_quoted():
    text = FILLER * 40 + STORY + FILLER * 40
    block = block_of(text, "7349", places_of(text))
    found = quote(text, [[], [(5, block, 0.7)], [(5, block, 0.9), (2, block, 0.6)], []])
    assert len(found) == 1
    best = found[0]
    assert "The lantern fell;\nthe magic number written on its base was 7349." in best.text
    assert best.text == text[best.start : best.end] and len(best.text) <= MAX_CHARS
    assert best.line == text[: best.start].count("\n") + 1
    assert best.percent == pytest.approx(100 * best.start / len(text), abs=0.01)
    assert 0.5 < best.score <= 1.0


def test_what_every_token_looks_at_is_no_source():
    text = STORY + FILLER * 40
    assert quote(text, [[], [], []]) == ()


def test_three_places_at_most_best_first_without_overlap():
    text = "".join(f"The key of gate {i} is hidden in room {i * 7}.\n\n" for i in range(200))
    starts = places_of(text)
    blocks = [block_of(text, f"gate {i} ", starts) for i in (20, 50, 90, 130, 170)]
    shares = (0.5, 0.98, 0.65, 0.82, 0.05)
    found = quote(text, [[(1, b, s)] for b, s in zip(blocks, shares, strict=True)])
    assert [x.text.split()[4] for x in found] == ["50", "130", "90"]
    spans = sorted((x.start, x.end) for x in found)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_rare_shared_words_decide_between_sentences_of_a_block(monkeypatch):
    monkeypatch.setattr(citations, "MAX_CHARS", 12)
    for pad in range(BLOCK):  # until both sentences lie in one block
        text = FILLER * 20 + "x " * pad + "Oh. Ann led. Mo fled. Yes.\n\n" + FILLER * 20
        starts = places_of(text)
        block = block_of(text, "Ann", starts)
        if block == block_of(text, "Oh", starts) == block_of(text, "fled", starts):
            break
    for words, expected in (("Who fled? Mo", "Mo fled."), ("Has Ann led?", "Ann led.")):
        (best,) = quote(text, [[(0, block, 0.9)]], words)
        assert best.text == expected


def test_long_sentences_are_cut_between_words():
    text = "word " * 2000
    block = 40
    (best,) = quote(text, [[(0, block, 0.9)]])
    assert best.text == text[best.start : best.end] and 200 < len(best.text) <= MAX_CHARS
    assert best.text.startswith("word") and best.text.endswith("word")


def test_quotations_stay_in_one_file():
    header = "===== b.txt =====\n\n"
    first, second = FILLER * 3 + "The end of one", "begins two. " + FILLER * 3
    text = first + "\n\n" + header + second
    at = len(first) + 2 + len(header)
    document = Document(text, (Part("a.txt", 0, len(first)), Part("b.txt", at, len(second))))
    block = block_of(text, "begins two", places_of(text))
    found = quote(text, [[(0, block, 0.9), (1, block - 1, 0.9)]], document=document)
    assert found
    for one in found:
        whole = first if one.file == "a.txt" else second
        assert one.text == whole[one.start : one.end] and "=====" not in one.text
        assert one.line == whole[: one.start].count("\n") + 1


def test_no_looks_no_quotations():
    looks = Looks(3)
    looks.add([])
    assert not looks.scores([]).any()
    assert cite(document_from_text("a b"), places_of("a b"), 0, np.zeros(1), "") == ()


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="abcD é.!?\n🙂-1", min_size=1, max_size=1500), st.data())
def test_quotations_are_exact_short_and_apart(text, data):
    if not text.strip():
        return
    starts = places_of(text)
    n_blocks = -(-(len(starts) + PREFIX) // BLOCK)
    values = st.floats(0, 1, allow_subnormal=False)
    scores = data.draw(st.lists(values, min_size=n_blocks, max_size=n_blocks))
    words = data.draw(st.sampled_from(["", "abc D 11", text[:50]]))
    found = cite(document_from_text(text), starts, PREFIX, np.array(scores), words)
    assert len(found) <= 3
    for one in found:
        assert one.text == text[one.start : one.end] == one.text.strip() != ""
        assert len(one.text) <= MAX_CHARS and 0 <= one.percent <= 100 and 0 <= one.score <= 1
        assert one.line == text[: one.start].count("\n") + 1
    spans = sorted((x.start, x.end) for x in found)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
