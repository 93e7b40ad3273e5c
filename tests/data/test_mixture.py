from __future__ import annotations

import re
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farspan.data.corpus import Corpus
from farspan.data.mixture import ROW_KINDS, MixtureConfig, ReadRows, RowSampler
from farspan.data.needles import FILLER
from farspan.errors import RequestError
from farspan.models.tokenizer import Tokenizer
from tests.data.story import FORMAT


def sampler(
    corpus: Corpus, tokenizer: Tokenizer, seed: int = 0, kind: str | None = None
) -> RowSampler:
    config = MixtureConfig() if kind is None else MixtureConfig(row_weights={kind: 1.0})
    return RowSampler(corpus, tokenizer, FORMAT, seed, config)


def same(one: ReadRows, two: ReadRows) -> bool:
    return (
        np.array_equal(one.token_bt, two.token_bt)
        and np.array_equal(one.weight_bt, two.weight_bt)
        and np.array_equal(one.valid_bt, two.valid_bt)
        and one.turns == two.turns
    )


def answers(rows: ReadRows, b: int, tokenizer: Tokenizer) -> list[str]:
    """The runs of tokens of weight 1, decoded."""
    marked = np.concatenate(([0], rows.weight_bt[b] == 1.0, [0]))
    edges = np.flatnonzero(np.diff(marked)).reshape(-1, 2)
    return [tokenizer.decode(rows.token_bt[b, low:high].tolist(), False) for low, high in edges]


def test_same_seed_and_step_give_the_same_rows(corpus: Corpus, tokenizer: Tokenizer) -> None:
    one, two = sampler(corpus, tokenizer), sampler(corpus, tokenizer)
    later = one.read_batch(7, 3, 2048, 512)
    for _ in range(3):
        two.read_batch(3, 2, 1024, 256)
    assert same(later, two.read_batch(7, 3, 2048, 512))
    assert same(later, next(islice(two.batches(3, 2048, 512, first_step=5), 2, None)))
    assert not same(later, two.read_batch(8, 3, 2048, 512))
    assert not same(later, sampler(corpus, tokenizer, 1).read_batch(7, 3, 2048, 512))


@pytest.mark.parametrize("kind", ROW_KINDS)
def test_rows_are_laid_out_as_promised(corpus: Corpus, tokenizer: Tokenizer, kind: str) -> None:
    tail, size = 640, 3000
    rows = sampler(corpus, tokenizer, 3, kind).read_batch(0, 6, size, tail)
    assert rows.token_bt.shape == rows.weight_bt.shape == rows.valid_bt.shape == (6, size)
    assert rows.token_bt.dtype == np.int64 and rows.weight_bt.dtype == np.float32
    for b in range(6):
        n_valid = int(rows.valid_bt[b].sum())
        assert rows.kinds[b] == kind and rows.turns[b]
        assert rows.valid_bt[b, :n_valid].all() and n_valid > size - tail
        assert not rows.weight_bt[b, : size - tail].any() and not rows.token_bt[b, n_valid:].any()
        assert not rows.weight_bt[b, n_valid:].any()
        head = tokenizer.decode(rows.token_bt[b, : size - tail].tolist(), False)
        assert head.startswith(FORMAT.before_document) and "<|im_end|>" not in head
        asked = tokenizer.decode(rows.token_bt[b, size - tail : n_valid].tolist(), False)
        expected = ""
        for turn in rows.turns[b]:
            expected += FORMAT.before_next_question if expected else FORMAT.before_question
            expected += turn.question + FORMAT.before_answer + turn.answer + FORMAT.after_answer
        assert asked == expected
        assert answers(rows, b, tokenizer) == [turn.answer + "<|im_end|>" for turn in rows.turns[b]]


def test_answers_can_be_read_in_the_document(corpus: Corpus, tokenizer: Tokenizer) -> None:
    rows = sampler(corpus, tokenizer, 4).read_batch(1, 40, 4000, 800)
    n_found = n_asked = 0
    for b in range(40):
        document = tokenizer.decode(rows.token_bt[b, :-800].tolist())
        flat = " ".join(document.split()).lower()
        for turn in rows.turns[b]:
            n_asked += 1
            answer = turn.answer.rstrip(".").lower()
            if turn.kind in ("needle_number", "needle_uuid"):
                answer = answer.split()[-1]
            elif turn.kind.startswith("needle"):
                continue
            elif turn.kind.startswith("fact"):
                # Sentences of an answer are worded otherwise than the statement.
                words = answer.replace("the ", "").replace("a ", "").split()
                n_found += sum(word.strip(".,") in flat for word in words) >= len(words) / 2
                continue
            assert answer in flat, (turn, document)
            n_found += 1
    assert n_found > 0.9 * n_asked > 100


@settings(deadline=None, max_examples=15)
@given(tail=st.integers(160, 900), extra=st.integers(0, 3000), step=st.integers(0, 10**6))
def test_any_length_is_filled_exactly(
    corpus: Corpus, tokenizer: Tokenizer, tail: int, extra: int, step: int
) -> None:
    rows = sampler(corpus, tokenizer).read_batch(step, 2, 2 * tail + 64 + extra, tail)
    assert rows.token_bt.shape[1] == 2 * tail + 64 + extra
    assert (rows.weight_bt == 1.0).any(axis=1).all()


def test_rows_longer_than_the_corpus(corpus: Corpus, tokenizer: Tokenizer) -> None:
    size = 2 * corpus.n_tokens
    rows = sampler(corpus, tokenizer, 0, "questions").read_batch(0, 1, size, 512)
    assert rows.token_bt.shape == (1, size) and rows.turns[0]
    # What is unique only within one document is not asked when documents are joined.
    assert not any("chapter" in turn.kind or "heading" in turn.kind for turn in rows.turns[0])


def test_filler_rows_hold_filler(corpus: Corpus, tokenizer: Tokenizer) -> None:
    rows = sampler(corpus, tokenizer, 0, "needles_in_filler").read_batch(0, 1, 6000, 512)
    text = tokenizer.decode(rows.token_bt[0, :-512].tolist())
    assert text.count(FILLER) > 20


def test_distractors_have_other_keys(corpus: Corpus, tokenizer: Tokenizer) -> None:
    rows = sampler(corpus, tokenizer, 0, "needles_in_needles").read_batch(0, 8, 6000, 512)
    for b in range(8):
        text = tokenizer.decode(rows.token_bt[b, :-512].tolist())
        for turn in rows.turns[b]:
            key = re.search(r"[a-z]+-[a-z]+(?= mentioned| are|$|[.?: ])", turn.question)
            if key and turn.kind != "needle_many":
                assert text.count(f" for {key[0]} is: ") == 1


def test_no_held_out_text_is_read(prepared, tokenizer: Tokenizer) -> None:
    train, held = Corpus.load(prepared), Corpus.load(prepared, "held-out")
    rows = RowSampler(train, tokenizer, FORMAT, 0).text_batch(0, 20, 600)
    strange = held.shards[0].token_t[2000:2040].tobytes()
    own = train.shards[0].token_t.tobytes()
    assert strange not in own
    for row in rows.token_bt.astype(np.uint16):
        assert any(row[i : i + 40].tobytes() in own for i in (0, 200, 500))
    assert (rows.weight_bt == 1).all() and rows.tail_tokens == 0


def test_natural_share_decides_how_many_ask_in_other_words(
    corpus: Corpus, tokenizer: Tokenizer
) -> None:
    shares = {}
    for share in (0.0, 0.5, 1.0):
        config = MixtureConfig(row_weights={"questions": 1.0}, natural_share=share)
        rows = RowSampler(corpus, tokenizer, FORMAT, 0, config).read_batch(0, 12, 6000, 900)
        kinds = [turn.kind for turns in rows.turns for turn in turns]
        natural = sum(kind.startswith("natural") for kind in kinds)
        extracted = sum(not kind.startswith("fact") for kind in kinds)
        assert extracted > 100 or share == 1.0
        shares[share] = natural / extracted
    assert shares[0.0] < 0.02 and shares[1.0] == 1.0
    assert shares[0.0] < shares[0.5] < shares[1.0]


def test_errors_name_what_is_wrong(corpus: Corpus, tokenizer: Tokenizer) -> None:
    with pytest.raises(RequestError, match="row kind 'poems'"):
        MixtureConfig(row_weights={"poems": 1.0})
    with pytest.raises(RequestError, match="negative"):
        MixtureConfig(row_weights={"mixed": -1.0})
    with pytest.raises(RequestError, match="max_needles"):
        MixtureConfig(max_needles=0)
    with pytest.raises(RequestError, match="natural_share"):
        MixtureConfig(natural_share=1.5)
    with pytest.raises(RequestError, match="tail"):
        sampler(corpus, tokenizer).read_batch(0, 1, 2048, 20)
    with pytest.raises(RequestError, match="twice the tail"):
        sampler(corpus, tokenizer).read_batch(0, 1, 1024, 1000)
    with pytest.raises(RequestError, match="domains"):
        RowSampler(corpus, tokenizer, FORMAT, 0, MixtureConfig(domain_weights={"law": 1.0}))
