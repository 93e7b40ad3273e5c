"""Needles that share no word with their question (Modarressi et al. 2025, arXiv 2502.05167).

NoLiMa's idea and prompt with farspan's own facts: who of the characters knows, owns or has done
something follows from general knowledge alone.
"""

from __future__ import annotations

from farspan.data.turns import pick
from farspan.data.words import FIRST_NAMES
from farspan.errors import RequestError
from farspan.evaluation.encoder import Passage
from farspan.evaluation.samples import Draft, Question, Sample, Task, spread_depth
from farspan.evaluation.scoring import whole_words

MAX_TOKENS = 24
_HEAD = "You will answer a question based on the following book snippet:\n\n"
_QUESTION = (
    "Use the information provided in the book snippet to answer the question. Your answer should"
    " be short and based on either explicitly stated facts or strong, logical inferences.\n\n"
    "Question: {question}\n\n"
    " Return only the final answer with no additional explanation or reasoning."
)

FACTS = (
    ("{name} lives a few doors from the Brandenburg Gate.", "Which character has been to Berlin?"),
    ("From the window {name} looks out on the Eiffel Tower.", "Which character has seen Paris?"),
    ("Every morning {name} walks past the Colosseum.", "Which character has been to Rome?"),
    ("{name} rents a flat opposite the Acropolis.", "Which character has been to Athens?"),
    ("{name} sells postcards beside the Golden Gate Bridge.", "Which character knows California?"),
    ("{name} grew up in sight of Mount Fuji.", "Which character has lived in Japan?"),
    ("{name} sweeps the steps of the Kremlin.", "Which character has been to Russia?"),
    ("{name} drives visitors out to the pyramids of Giza.", "Which character works in Egypt?"),
    ("{name} tunes the bells of Big Ben.", "Which character has been to England?"),
    ("{name} guides hikers up Kilimanjaro.", "Which character has been to Africa?"),
    (
        "{name} cannot walk past a bakery without sneezing from flour.",
        "Which character has an allergy?",
    ),
    ("{name} has not touched meat since childhood.", "Which character is a vegetarian?"),
    ("{name} keeps forty beehives behind the barn.", "Which character could give you honey?"),
    ("{name} has been deaf from birth.", "Which character cannot hear?"),
    ("{name} spends the nights at a telescope.", "Which character is an astronomer?"),
    ("{name} shoes horses for a living.", "Which character is a blacksmith?"),
    (
        "{name} has fillings to drill all day and gums to look after.",
        "Which character is a dentist?",
    ),
    ("{name} carries letters from door to door.", "Which character works for the post?"),
    ("{name} steps out of the cockpit in a captain's cap.", "Which character is a pilot?"),
    ("{name} was put behind bars for eleven years.", "Which character has been in prison?"),
)
"""Each fact with the question that it answers."""


def tasks() -> list[Task]:
    """The only task."""
    return [
        Task(
            name="nolima/onehop",
            make=_make,
            score=whole_words,
            max_tokens=MAX_TOKENS,
            source="farspan, after Modarressi et al. 2025, arXiv 2502.05167",
            constant="Nobody",
        )
    ]


def _make(draft: Draft) -> Sample:
    fact, question_text = FACTS[int(draft.rng.integers(len(FACTS)))]
    head = draft.encode(_HEAD)
    name = _strange_name(draft)
    needle = draft.encode(" " + fact.format(name=name))
    depth = spread_depth(draft.index)
    question = Question(
        _QUESTION.format(question=question_text),
        (name,),
        perfect=name,
        joint="\n\n",
        about={"depth": depth},
    )
    room = draft.room(MAX_TOKENS, question, beside=[head, needle])
    body = draft.haystack.take(draft.rng, room)
    found: Passage = body.with_inserted([body.place(depth)], [needle])
    return Sample(head, found, (question,))


def _strange_name(draft: Draft) -> str:
    """A first name that the haystack does not have."""
    for _ in range(1000):
        name = pick(draft.rng, FIRST_NAMES)
        if name not in draft.haystack.text:
            return name
    raise RequestError("the haystack has all first names that could be hidden in it; use another")
