import re

import numpy as np
import pytest

from farspan.data.generation.dialogue import DIVERSE, HIERARCHICAL, make_dialogue
from farspan.data.generation.draft import Draft, UnfitError
from farspan.data.generation.mix import all_families
from farspan.data.generation.phrasing import Phrasing
from farspan.data.generation.rows import Recipe, Tally, make_row


@pytest.fixture(scope="module")
def rows(library, count):
    from farspan.data.generation.mix import weigh

    families, weights, _ = weigh({"dialogue/*": 1.0}, library, 32768)
    recipe = Recipe(library, count, families, weights, 32768, seed=2)
    return [make_row(recipe, index, Tally()) for index in range(6)]


def documents_until(row, message):
    """The documents of all turns up to a message, without questions."""
    questions = {question["message"]: question["start"] for question in row["questions"]}
    texts = [row["messages"][i]["content"][: questions[i]] for i in range(0, message + 1, 2)]
    return "".join(texts)


def test_questions_are_solved_from_what_was_read(rows):
    families = all_families()
    for row in rows:
        for number, asked in enumerate(row["questions"]):
            user, assistant = row["messages"][asked["message"] : asked["message"] + 2]
            question = user["content"][asked["start"] :]
            family = families[asked["family"]]
            found = family.solve(documents_until(row, asked["message"]), question)
            assert family.right(found, asked["answer"])
            assert assistant["content"] == ", ".join(asked["answer"])
            spans = [e for e in row["evidence"] if e["question"] == number]
            assert spans and all(e["message"] <= asked["message"] for e in spans)
            for e in spans:
                text = row["messages"][e["message"]]["content"][e["start"] : e["end"]]
                assert text.lstrip('"')[0].isupper() and text[-1] in ".?!"


def test_documents_come_one_after_the_other_and_are_revisited(rows):
    later = 0
    for row in rows:
        roles = [message["role"] for message in row["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        heads = [
            (i, int(n))
            for i, message in enumerate(row["messages"])
            for n in re.findall(r"^===== Document (\d+) =====$", message["content"], re.M)
        ]
        assert [n for _, n in heads] == list(range(1, len(heads) + 1)) and len(heads) >= 2
        starts = [i for i, _ in heads]
        for start in starts:
            levels = [q["level"] for q in row["questions"] if q["message"] >= start]
            assert tuple(levels[: len(HIERARCHICAL)]) == HIERARCHICAL
            assert len(levels) >= len(HIERARCHICAL) + DIVERSE
        for e in row["evidence"]:
            asked = row["questions"][e["question"]]["message"]
            later += e["message"] != max(s for s in starts if s <= asked)
        assert 0.8 * 32768 <= row["tokens"] <= 32768
    assert later, "no earlier document was come back to"


def test_a_short_dialogue_has_fewer_questions(library, count):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        draft = Draft(rng, 16384, library, count, Phrasing(rng))
        try:
            dialogue = make_dialogue(draft)
        except UnfitError:
            continue
        assert [turn.family.level for turn in dialogue.turns[:3]] == ["global", "medium", "local"]
        return
    raise AssertionError("no dialogue fitted")
