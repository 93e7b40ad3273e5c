"""What holds for every task of every suite."""

import time

import numpy as np
import pytest

from farspan.errors import RequestError
from farspan.evaluation.suites import SUITES, Files, find_tasks

ALL = find_tasks(tuple(SUITES), Files())
NAMES = [task.name for task in ALL]
RULER = [name for name in NAMES if name.startswith("ruler/")]
LENGTH = 4096
LONG = 8192
"""For LongPPL, which compares with contexts of 4,096 tokens."""


def needs_more_files(task):
    return task.missing != ""


def test_names_are_unique_and_sources_given():
    assert len(set(NAMES)) == len(NAMES)
    assert all(task.source and task.max_tokens > 0 for task in ALL)


def test_ruler_has_its_thirteen_tasks():
    kinds = "single_1 single_2 single_3 multikey_1 multikey_2 multikey_3 multivalue multiquery"
    others = ["vt", "cwe", "fwe", "qa_1", "qa_2"]
    expected = [f"niah_{kind}" for kind in kinds.split()] + others
    assert sorted(name.removeprefix("ruler/") for name in RULER) == sorted(expected)


@pytest.mark.parametrize("name", NAMES)
def test_oracle_is_right_silence_is_wrong_and_a_constant_scores_its_chance(name, draw, files):
    (task,) = find_tasks((name,), files)
    if needs_more_files(task) or task.measures_loss:
        pytest.skip("needs a file that is not here, or has no right answer")
    scores = []
    for index in range(60):
        sample, task = draw(name, LENGTH, index)
        for question in sample.questions:
            assert task.score(question.perfect, question) == 1, question
            assert task.score("", question) == 0, question
            scores.append(task.score(task.constant, question))
    error = np.sqrt(task.chance * (1 - task.chance) / len(scores))
    assert abs(np.mean(scores) - task.chance) <= 4 * error + 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_fills_its_length_and_depends_on_seed_and_number_alone(name, draw, files):
    (task,) = find_tasks((name,), files)
    if needs_more_files(task):
        pytest.skip("needs a file that is not here")
    length = LONG if name.endswith("longppl") else LENGTH
    sample, task = draw(name, length)
    again, _ = draw(name, length)
    other, _ = draw(name, length, 1)
    seeded, _ = draw(name, length, seed=1)
    assert sample.body.text == again.body.text and sample.questions == again.questions
    assert sample.body.text not in (other.body.text, seeded.body.text)
    assert sample.n_tokens + task.max_tokens <= length
    assert sample.n_tokens > 0.8 * length


@pytest.mark.parametrize("name", NAMES)
def test_tokens_are_those_of_the_text(name, draw, files, tokenizer):
    (task,) = find_tasks((name,), files)
    if needs_more_files(task):
        pytest.skip("needs a file that is not here")
    sample, _ = draw(name, LONG if name.endswith("longppl") else LENGTH)
    for part in (sample.head, sample.body):
        assert tokenizer.decode(part.ids.tolist(), skip_special=False) == part.text


@pytest.mark.parametrize("name", RULER)
def test_a_million_tokens_are_made_within_two_seconds_of_one_core(name, draw, files):
    draw(name, LENGTH)  # the haystack is tokenised once a run
    began = time.process_time()
    sample, _ = draw(name, 1 << 20)
    assert time.process_time() - began < 2
    assert sample.n_tokens > 0.9 * (1 << 20)


@pytest.mark.parametrize("name", ["rulers", "ruler/vtt", "niah/"])
def test_unknown_names_are_answered_with_the_valid_ones(name):
    with pytest.raises(RequestError, match=r"there are niah|ruler has|niah has"):
        find_tasks((name,), Files())


def test_a_length_that_holds_no_sample_is_told(draw):
    with pytest.raises(AssertionError, match="do not hold"):
        draw("ruler/vt", 256)
