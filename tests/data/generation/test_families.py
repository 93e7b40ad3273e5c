"""The laws of every family: solved by its program, not by a guess, from its evidence alone."""

import contextlib
import re
import sys
from dataclasses import replace

import numpy as np
import pytest

from farspan.data.generation.draft import LEVELS
from farspan.data.generation.mix import MIXES, all_families, members
from farspan.data.generation.phrasing import REQUESTS, part_of
from farspan.data.generation.rows import as_dialogue, find_flaw
from farspan.data.generation.wordings import Wordings

FAMILIES = list(all_families().values())
NAMES = [family.name for family in FAMILIES]
N = 8

WHOLE = {"which/without", "passages/restore", "quote/order"}
"""Families that no removed part of the text makes unsolvable for their program."""


@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_laws(family, draw, count):
    tasks = draw(family, N)
    for task in tasks:
        assert family.right(family.solve(task.document, task.question), task.answer)
        assert task.answer and task.evidence and all(task.answer)
        assert all(0 <= a < b <= len(task.document) for a, b in task.evidence)
        assert 0.88 * 8192 <= count(task.document) <= 8192, count(task.document)
        for part in task.parts:
            assert 0 <= part.start < part.end <= len(task.document)
    _check_evidence(family, tasks)
    _check_guess(family, tasks)


def _check_evidence(family, tasks):
    """Without its evidence the answer is not found."""
    if family.name in WHOLE:
        return
    for task in tasks:
        text = task.document
        for a, b in task.evidence:
            text = text[:a] + re.sub(r"\S", "_", text[a:b]) + text[b:]
        try:
            found = family.solve(text, task.question)
        except (ValueError, LookupError):
            continue
        if family.name not in ("story/carrying",) or task.answer != ("0",):
            assert not family.right(found, task.answer), (family.name, task.question)


def _check_guess(family, tasks):
    """The blind guesser is right as often as stated, within four deviations."""
    rng = np.random.default_rng(3)
    rights = [
        np.mean([family.right(family.guess(task.question, rng), task.answer) for _ in range(60)])
        for task in tasks
    ]
    slack = 4 * np.sqrt(max(family.floor, 0.004) * (1 - family.floor) / (60 * len(rights)))
    # How likely a guess is differs from task to task.
    spread = 4 * float(np.std(rights)) / np.sqrt(len(rights))
    assert abs(np.mean(rights) - family.floor) <= slack + spread


def wordings_of(family):
    """All question wordings of a family's module."""
    module = sys.modules[family.solve.__module__]
    return [x for x in vars(module).values() if isinstance(x, Wordings) and len(x.texts) >= 7]


def matching(wordings, question):
    """The wordings that a question may have been made from."""
    found = set()
    for text in wordings.texts:
        with contextlib.suppress(ValueError):
            Wordings(text, **wordings._patterns).match(question)
            found.add(text)
    return found


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("family", FAMILIES, ids=NAMES)
def test_each_split_has_wordings_of_its_own(family, draw, split):
    held_out = [text.split("{form}")[0] for text in part_of(REQUESTS, "test")]
    for task in draw(family, 3, split=split):
        assert family.right(family.solve(task.document, task.question), task.answer)
        if family.name == "fact/single":
            continue  # its relations have their own wordings
        assert any(text in task.question for text in held_out) == (split == "test")
        allowed = {x for w in wordings_of(family) for x in part_of(w.texts, split)}
        assert any(matching(w, task.question) & allowed for w in wordings_of(family))


def test_there_are_many_families_of_each_level():
    for level in LEVELS:
        assert len(members(level)) >= 12
    assert len(NAMES) == len(set(NAMES)) >= 45
    for mix in MIXES.values():
        assert all(members(name) for name in mix)


def test_flaws_are_found(draw):
    family = all_families()["needle/single"]
    task = draw(family, 1)[0]
    rng = np.random.default_rng(0)
    assert find_flaw(as_dialogue(family, task), rng) is None
    other = replace(task, answer=("wrong",))
    assert "otherwise" in find_flaw(as_dialogue(family, other), rng)
    asked = replace(task, question="What?")
    assert "not solved" in find_flaw(as_dialogue(family, asked), rng)
    told = replace(family, guess=lambda question, rng: task.answer)
    assert "without its document" in find_flaw(as_dialogue(told, task), rng)


def test_depths_are_uniform(draw):
    """The needle lies in every fifth of the text about as often."""
    tasks = draw(all_families()["needle/single"], 200, length=2048)
    depths = [task.evidence[0][0] / len(task.document) for task in tasks]
    fifths = np.bincount((np.array(depths) * 5).astype(int), minlength=5)[:5]
    # Each count is binomial(200, 1/5): 40 with a deviation of 5.7.
    assert fifths.min() >= 20 and fifths.max() <= 62, fifths
