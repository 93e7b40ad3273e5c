"""The needle score: right exactly when greedy decoding writes the answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from farspan.data.needles import NeedleCase, needle_case
from farspan.engine.generate import generate
from farspan.engine.sampling import Sampling
from farspan.evaluation.needles import answers_exactly, needle_scores, read_ids

from ..tiny import STORY, make_model


@pytest.fixture(scope="module")
def model():
    return make_model(dtype=torch.float32)


def case_with(model, answer):
    ids = np.array(model.tokenizer.encode(STORY))
    question = np.array(model.tokenizer.encode("Who?"))
    return NeedleCase(ids, question, np.array(answer), "key", "number", 0)


def test_right_for_what_greedy_decoding_writes_and_wrong_for_one_other_token(model):
    case = case_with(model, [0])
    with torch.inference_mode():
        state = model.decoder.init_state(1)
        state = read_ids(model.decoder, torch.from_numpy(case.document_ids), state, chunk=50)
        question = case.question_ids.tolist()
        answer = list(generate(model.decoder, question, state, sampling=Sampling(max_tokens=6)))
    assert answers_exactly(model.decoder, case_with(model, answer), state)
    for place in range(6):
        other = list(answer)
        other[place] = (other[place] + 1) % 300
        assert not answers_exactly(model.decoder, case_with(model, other), state)


def test_reading_in_any_chunks_gives_the_same_features(model):
    ids = torch.tensor(model.tokenizer.encode(STORY))
    with torch.inference_mode():
        states = [
            read_ids(model.decoder, ids, model.decoder.init_state(1), chunk=chunk)
            for chunk in (7, 1000)
        ]
    for one, two in zip(states[0].layers, states[1].layers, strict=True):
        recent = (getattr(one, "recent", None), getattr(two, "recent", None))
        torch.testing.assert_close(recent[0].k_bshd, recent[1].k_bshd, atol=1e-4, rtol=1e-4)


def test_scores_count_every_sample_over_all_depths(model):
    books = np.array(model.tokenizer.encode(STORY * 30), dtype=np.uint16)
    scores = list(
        needle_scores(
            model.decoder,
            model.tokenizer,
            model.format,
            books,
            lengths=(600,),
            keys=(1,),
            samples=3,
        )
    )
    assert [(s.length, s.keys, s.total) for s in scores] == [(600, 1, 3)]
    assert scores[0].right + len(scores[0].wrong) == 3
    assert set(scores[0].wrong) <= {0.0, 0.5, 1.0}


def test_the_case_holds_its_needle_where_it_says(model):
    books = np.array(model.tokenizer.encode(STORY * 30), dtype=np.uint16)
    case = needle_case(books, 900, 2, 0.5, 3, model.tokenizer, model.format)
    text = model.tokenizer.decode(case.document_ids[case.needle_at :].tolist())
    assert case.number in text[:200]
