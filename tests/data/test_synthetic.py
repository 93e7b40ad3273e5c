from __future__ import annotations

import re
import string

import numpy as np
import pytest

from farspan.data.chats import chat_prompts
from farspan.data.facts import POOLS, RELATIONS, fact_set
from farspan.data.natural_templates import NATURAL_TEMPLATES
from farspan.data.needles import FILLER, needle_case, needle_set
from farspan.data.pieces import PieceEncoder
from farspan.data.qa import KINDS, render
from farspan.data.qa_templates import TEMPLATES
from farspan.data.sentences import Quotable, sentences
from farspan.errors import RequestError
from farspan.models.tokenizer import Tokenizer
from tests.data.story import FORMAT, story


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.name)
def test_relations_are_complete(relation) -> None:
    slots = set(relation.slots)
    assert set(relation.slots.values()) <= set(POOLS)
    assert len(set(relation.statements)) >= 5
    for statement in relation.statements:
        assert fields(statement) == slots and statement.endswith((".", '."'))
    for ask in relation.asks:
        assert len(set(ask.questions)) >= 5 and ask.target in slots
        assert ask.target in fields(ask.short)
        for question in ask.questions:
            assert fields(question) <= slots - {ask.target}
            assert fields(question), "a question must name what it asks about"


def test_at_least_thirty_relations_of_distinct_names() -> None:
    assert len({relation.name for relation in RELATIONS}) == len(RELATIONS) >= 30


def test_facts_answer_their_questions() -> None:
    for seed in range(200):
        found = fact_set(np.random.default_rng(seed), 12, 8)
        assert found == fact_set(np.random.default_rng(seed), 12, 8)
        assert len(found.statements) >= 10 and len(found.turns) == 8
        assert len(set(found.statements)) == len(found.statements)
        assert len({turn.question for turn in found.turns}) == 8
        text = " ".join(found.statements).lower()
        for turn in found.turns:
            if "sentence" not in turn.question:
                answer = turn.answer.rstrip(".").lower()
                bare = answer.removeprefix("the ").removeprefix("a ").removesuffix(" seconds")
                assert bare.removesuffix(" dollars") in text, (turn, text)


def test_needles_answer_their_questions() -> None:
    kinds = set()
    for seed in range(100):
        found = needle_set(np.random.default_rng(seed), 9, 5)
        assert found == needle_set(np.random.default_rng(seed), 9, 5)
        assert 1 <= len(found.turns) <= 5 and len(found.statements) <= 9
        for turn in found.turns:
            kinds.add(turn.kind)
            if turn.kind == "needle_many":
                values = turn.answer.split(" are ")[1].rstrip(".").replace("and ", "").split(", ")
                places = [" ".join(found.statements).index(value) for value in values]
                assert len(values) > 1 and places == sorted(places)
            else:
                value = turn.answer.rstrip(".").split()[-1]
                (statement,) = [s for s in found.statements if s.endswith(f" {value}.")]
                assert statement.split(" for ")[1].split(" is: ")[0] in turn.question
    assert kinds == {"needle_number", "needle_word", "needle_uuid", "needle_many"}


@pytest.mark.parametrize("depth", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("n_keys", [1, 8])
@pytest.mark.parametrize("filler", [False, True])
def test_needle_case(tokenizer: Tokenizer, depth: float, n_keys: int, filler: bool) -> None:
    haystack = None if filler else np.array(tokenizer.encode(story(9, 2), special=False))
    case, again = (
        needle_case(haystack, 6000, n_keys, depth, 5, tokenizer, FORMAT) for _ in range(2)
    )
    whole = np.concatenate([case.document_ids, case.question_ids, case.answer_ids])
    assert len(whole) == 6000
    assert np.array_equal(case.document_ids, again.document_ids) and case.number == again.number
    document = tokenizer.decode(case.document_ids.tolist(), False)
    needle = f" One of the special magic numbers for {case.key} is: {case.number}."
    assert document.startswith(FORMAT.before_document)
    assert document.count(needle) == 1 and document.count("magic numbers for") == n_keys
    assert tokenizer.decode(case.document_ids[case.needle_at :].tolist()).startswith(needle)
    assert abs(case.needle_at / len(case.document_ids) - depth) < 0.1
    assert tokenizer.decode(case.question_ids.tolist(), False) == (
        f"{FORMAT.before_question}What is the special magic number for {case.key} mentioned in the "
        f"provided text?{FORMAT.before_answer}"
    )
    assert tokenizer.decode(case.answer_ids.tolist(), False) == (
        f"The special magic number for {case.key} mentioned in the provided text is "
        f"{case.number}.{FORMAT.after_answer}"
    )
    assert (FILLER in document) == filler


def test_needle_case_errors(tokenizer: Tokenizer) -> None:
    with pytest.raises(RequestError, match="depth"):
        needle_case(None, 1000, 1, 1.5, 0, tokenizer, FORMAT)
    with pytest.raises(RequestError, match="number of needles"):
        needle_case(None, 1000, 0, 0.5, 0, tokenizer, FORMAT)
    with pytest.raises(RequestError, match="give at least"):
        needle_case(None, 100, 4, 0.5, 0, tokenizer, FORMAT)
    with pytest.raises(RequestError, match="empty"):
        needle_case(np.zeros(0, np.int64), 1000, 1, 0.5, 0, tokenizer, FORMAT)


def test_pieces_are_encoded_as_the_tokenizer_does(tokenizer: Tokenizer) -> None:
    encode = PieceEncoder(tokenizer)
    rng = np.random.default_rng(0)
    found = fact_set(rng, 60, 60)
    texts = [turn.question for turn in found.turns] + [" " + text for text in found.statements]
    texts += ["two  spaces", "a\nb", " ", "", "<|im_end|>", "É à l'œuvre — 1,234.5%"]
    for text in texts * 2:
        assert encode(text) == tokenizer.encode(text, special=False)


def test_wordings_of_extracted_questions() -> None:
    assert all(len(set(wordings)) >= 10 for wordings in TEMPLATES.values())
    rng = np.random.default_rng(0)
    for kind in TEMPLATES:
        asked = {render(kind, ("first slot", "second slot"), rng) for _ in range(100)}
        assert len(asked) >= 8 and all(text.lower().count("first slot") == 1 for text in asked)
    for kind in NATURAL_TEMPLATES:
        asked = {render(kind, ("slot one", "slot two", "slot gap", "wh"), rng) for _ in range(100)}
        assert len(asked) >= 8 and all("slot" in text.lower() for text in asked)
    assert set(KINDS) == {*TEMPLATES, *NATURAL_TEMPLATES}


def test_quotable() -> None:
    text = "One two three four five. one, two three FOUR. Six seven eight nine."
    quotable = Quotable(text)
    assert not quotable.unique(0, 18)
    assert quotable.unique(0, 24)
    assert quotable.unique(46, len(text))
    assert not quotable.unique(46, 60)
    assert not Quotable("").unique(0, 5)


def test_sentences_know_abbreviations() -> None:
    text = 'Mr. Hall met J. Smith. "Where?" He left.\nNew line'
    assert [text[low:high] for low, high in sentences(text)] == [
        "Mr. Hall met J. Smith.",
        '"Where?"',
        "He left.",
    ]


def test_chat_prompts() -> None:
    prompts = chat_prompts()
    assert len(prompts) == len(set(prompts)) >= 140


def test_bearers_are_asked_for_more_often_than_values() -> None:
    rng = np.random.default_rng(0)
    turns = [turn for _ in range(400) for turn in fact_set(rng, 12, 12).turns]
    owned = [turn for turn in turns if turn.kind == "fact_password"]
    back = [turn for turn in owned if re.search(r"(?i)who|whose|which person", turn.question)]
    assert 0.58 < len(back) / len(owned) < 0.78 and len(owned) > 60
