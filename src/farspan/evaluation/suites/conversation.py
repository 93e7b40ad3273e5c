"""Recall over weeks of chat: what was said, and what it was changed to later.

farspan's own task. A person mentions small facts between long exchanges about a book; half of the
facts are changed some days later, and only the latest counts. Several questions share a
conversation, which is read once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from farspan.data.turns import pick
from farspan.data.words import (
    CITIES,
    COLOURS,
    FIRST_NAMES,
    FOODS,
    MEETING_PLACES,
    SURNAMES,
    WEEKDAYS,
)
from farspan.evaluation.encoder import Passage, join
from farspan.evaluation.samples import Draft, Question, Sample, Task
from farspan.evaluation.scoring import whole_words

N_FACTS = 6
READ_TOKENS = 160
MAX_TOKENS = 24
START = datetime(2026, 3, 2, 9, 0)
_HEAD = "These are our messages of the last weeks.\n"
_KINDS = (
    (
        "My dentist is called {v}, by the way.",
        "I have a new dentist, {v}.",
        "What is my dentist's name?",
    ),
    (
        "We are flying to {v} in the summer!",
        "Change of plan: it will be {v} in the summer.",
        "Where are we going in the summer?",
    ),
    (
        "My sister wants her kitchen painted {v}.",
        "My sister has decided on {v} for her kitchen.",
        "Which colour does my sister want for her kitchen?",
    ),
    (
        "I told everybody that choir practice is on {v}.",
        "Choir practice has moved to {v}.",
        "On which day is choir practice?",
    ),
    (
        "The code of the bicycle lock is {v}.",
        "I have set the bicycle lock to {v} now.",
        "What is the code of my bicycle lock?",
    ),
    (
        "I promised to bring {v} to the office party.",
        "I will bring {v} to the office party after all.",
        "What will I bring to the office party?",
    ),
    ("Let us say we meet Jo at {v}.", "Jo would rather meet at {v}.", "Where do we meet Jo?"),
    (
        "Our neighbours have named the baby {v}.",
        "Funny: the neighbours' baby is now to be called {v}.",
        "What is the name of the neighbours' baby?",
    ),
)
"""How a fact is told, how it is changed, and the question."""

_REQUESTS = (
    "Read me a little more of the book.",
    "What comes next in the story?",
    "Go on with the book, please.",
    "I have ten minutes. The next bit, please?",
)
_THANKS = ("Thank you, noted.", "I will remember that.", "Good to know!", "Noted.")


def tasks() -> list[Task]:
    """The only task."""
    return [
        Task(
            name="conversation/recall",
            make=_make,
            score=whole_words,
            max_tokens=MAX_TOKENS,
            source="farspan's own",
            constant="I do not know.",
        )
    ]


def _make(draft: Draft) -> Sample:
    """Facts at random places of the chat, changes behind them."""
    rng = draft.rng
    chosen = [int(i) for i in rng.permutation(len(_KINDS))[:N_FACTS]]
    said, questions = [], []
    for number, kind in enumerate(chosen):
        first, changed, asked = _KINDS[kind]
        values = _values(rng, kind)
        said.append([first.format(v=values[0])])
        if number % 2:
            said[-1].append(changed.format(v=values[1]))
        answer = values[number % 2]
        questions.append(
            Question(
                f"{asked} Answer with the latest that I told you, in a few words.",
                (answer,),
                perfect=answer,
                about={"level": "changed" if number % 2 else "said once"},
            )
        )
    head = draft.encode(_HEAD)
    exchanges = [[draft.encode(_fact_turn(rng, text)) for text in texts] for texts in said]
    beside = [turn for turns in exchanges for turn in turns]
    room = draft.room(MAX_TOKENS, *questions, beside=[head, *beside])
    chat = _chat(draft, room)
    placed = []
    for turns in exchanges:
        places = np.sort(rng.choice(len(chat) + 1, size=len(turns), replace=len(chat) < 2))
        placed += list(zip(places.tolist(), turns, strict=True))
    placed.sort(key=lambda pair: pair[0])
    for place, turn in reversed(placed):
        chat.insert(place, turn)
    return Sample(head, join(chat), tuple(questions))


def _values(rng: np.random.Generator, kind: int) -> list[str]:
    """Two different values of a kind."""
    code = [f"{n:04d}" for n in rng.choice(10_000, size=2, replace=False).tolist()]
    dentists = [f"{pick(rng, ('Dr', 'Mrs', 'Mr'))} {name}" for name in SURNAMES]
    pools = (dentists, CITIES, COLOURS, WEEKDAYS, code, FOODS, MEETING_PLACES, FIRST_NAMES)
    pool = pools[kind]
    return [pool[i] for i in rng.permutation(len(pool))[:2].tolist()]


def _fact_turn(rng: np.random.Generator, text: str) -> str:
    return f"\n\nMe: {text}\n\nAssistant: {pick(rng, _THANKS)}"


def _chat(draft: Draft, room: int) -> list[Passage]:
    """Exchanges about the book with dates between them, as many as fit."""
    rng, now = draft.rng, START
    found: list[Passage] = []
    while True:
        now += timedelta(hours=float(rng.exponential(8)))
        stamp = now.strftime("%A %-d %B %Y, %H:%M")
        before = draft.encode(f"\n\n{stamp}\n\nMe: {pick(rng, _REQUESTS)}\n\nAssistant: ")
        turn = join((before, draft.haystack.take(rng, READ_TOKENS).passage))
        if turn.n_tokens > room:
            return found
        found.append(turn)
        room -= turn.n_tokens
