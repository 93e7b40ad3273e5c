from __future__ import annotations

import numpy as np
import pytest

from farspan.data.natural import content, natural_items, stem
from farspan.data.natural_ask import about_nouns, questions
from farspan.data.natural_clause import clauses
from farspan.data.parse import parse
from farspan.data.qa import extract_items, render
from farspan.data.sentences import Quotable

FILLING = (
    "The evening was cold and everybody stayed in the kitchen. Nobody spoke for an hour. "
    "The rain fell on the roof and the children went to bed. "
    "The clock struck nine and the fire went out. All the doors were shut. "
    "Somebody had left a lamp in the hall, and the dog slept beside it. Then all was quiet. "
)
TALE = (
    "Captain Brackenridge sold the crooked telescope to a fishmonger in Plymouth. "
    + FILLING
    + "On Tuesday the beekeeper of Hollowmere lost eleven hives to lightning. "
    + FILLING
    + "I hurried to the lighthouse to warn the drowsy keeper about the smugglers."
)


def asked(sentence: str) -> dict[str, str]:
    """Every question of a sentence, with its answer as it stands there."""
    (doc,) = parse([sentence])
    found = [q for clause in clauses(doc, "the narrator") for q in questions(clause)]
    return {q.direct: sentence[slice(*q.span)] for q in [*found, *about_nouns(doc)]}


@pytest.mark.parametrize(
    ("sentence", "question", "answer"),
    [
        (
            "Captain Gardner gave the sailor a compass in Lisbon.",
            "who gave the sailor a compass in Lisbon?",
            "Captain Gardner",
        ),
        (
            "The gardener buried the silver spoon under the bridge.",
            "where did the gardener bury the silver spoon?",
            "under the bridge",
        ),
        (
            "In May the treaty was signed by the ambassador.",
            "by whom was the treaty signed in May?",
            "the ambassador",
        ),
        (
            "The army crossed the frozen river in 1812.",
            "in what year did the army cross the frozen river?",
            "1812",
        ),
        (
            "The general had lost forty horses at the bridge.",
            "how many horses had the general lost at the bridge?",
            "forty",
        ),
        (
            "She closed the shutters because the wind was rising.",
            "why did she close the shutters?",
            "because the wind was rising",
        ),
        (
            "The baker's daughter drew Richard's tooth with a rusty hook.",
            "whose tooth did the baker's daughter draw with a rusty hook?",
            "Richard",
        ),
        (
            "The carpenter opened the chest with a crowbar.",
            "with what did the carpenter open the chest?",
            "a crowbar",
        ),
        (
            "I carried my father's letters to the castle.",
            "where did the narrator carry his father's letters?",
            "the castle",
        ),
        (
            "The doctor promised to write a letter to the bishop.",
            "what did the doctor promise to do?",
            "to write a letter to the bishop",
        ),
        (
            "The valley is guarded by a fortress called Ironstone.",
            "by what is the valley guarded?",
            "a fortress called Ironstone",
        ),
    ],
)
def test_grammar(sentence: str, question: str, answer: str) -> None:
    found = asked(sentence)
    assert found.get(question) == answer, found


def test_names_in_apposition_and_in_calling() -> None:
    found = asked("The duke visited Marlow, the oldest gunner of the garrison, on Sunday.")
    assert found["who is Marlow?"] == "the oldest gunner of the garrison"
    assert found["who is the oldest gunner of the garrison?"] == "Marlow"
    found = asked("She sailed to an island called Ironstone.")
    assert found["what is the island called?"] == "Ironstone"


def test_what_must_not_be_asked() -> None:
    """Negations, pointing words and reported speech make no question."""
    for sentence in (
        "The captain never sold the crooked telescope to the fishmonger.",
        "Hardly any sailor trusted the crooked telescope.",
        "This was sold by them to another such fellow.",
    ):
        assert asked(sentence) == {}


def test_first_person_is_asked_in_the_third() -> None:
    found = asked("I have hidden my gold in the barn.")
    assert found["where has the narrator hidden his gold?"] == "the barn"
    assert not any(" I " in question or " my " in question for question in found)


def test_items_are_found_once_and_answered_in_the_text() -> None:
    items = list(natural_items(TALE, "book", Quotable(TALE)))
    assert len({item.start for item in items}) == 3
    for item in items:
        said = TALE[item.start : item.end]
        assert item.answer.rstrip(".").lower() in said.lower()
        question = item.slots[0] if item.kind != "natural_sentence" else " ".join(item.slots)
        shared = content(question) & content(said)
        assert len(shared) >= 2
        others = TALE.replace(said, "")
        assert not shared <= content(others)


def test_a_sentence_that_is_told_twice_is_not_asked() -> None:
    one = "Captain Brackenridge sold the crooked telescope to a fishmonger in Plymouth. "
    two = "Later Captain Brackenridge sold the crooked telescope to a fishmonger in Plymouth."
    assert list(natural_items(one + FILLING, "book", Quotable(one + FILLING)))
    text = one + FILLING + two
    found = natural_items(text, "book", Quotable(text))
    assert not any("telescope" in text[item.start : item.end] for item in found)


def test_items_and_wordings_are_deterministic() -> None:
    one = extract_items(TALE, "book", natural=True)
    assert one == extract_items(TALE, "book", natural=True)
    natural = [item for item in one if item.kind.startswith("natural")]
    assert natural and not [i for i in extract_items(TALE, "book") if i.kind.startswith("nat")]
    for item in natural:
        wordings = {render(item.kind, item.slots, np.random.default_rng(k)) for k in range(40)}
        assert len(wordings) >= 5
        assert all(w[0].isupper() and "{" not in w and "  " not in w for w in wordings)


@pytest.mark.parametrize(
    ("one", "two"),
    [("visited", "visit"), ("stories", "story"), ("carrying", "carried"), ("house", "houses")],
)
def test_stems_meet(one: str, two: str) -> None:
    assert stem(one) == stem(two)
