"""Weeks of messages: what was said, what it was changed to, and what was said in which week."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import numpy as np

from farspan.data.generation.draft import Answer, Draft, Family, Task, UnfitError
from farspan.data.generation.library import Part
from farspan.data.generation.wordings import Found, Wordings
from farspan.data.turns import pick
from farspan.data.words import CITIES, COLOURS, FIRST_NAMES, WEEKDAYS

_VALUE = r"[A-Za-z][\w' -]*?"
SAID = {
    topic: Wordings(text, v=_VALUE)
    for topic, text in {
        "the destination of the journey": """By the way, the journey will go to {v}.
        We are now thinking of {v} for the journey.
        About the journey: it is to be {v}.""",
        "the colour of the fence": """The fence is going to be {v}, I think.
        I would like the fence in {v} after all.
        About the fence: let us paint it {v}.""",
        "the day of the rehearsal": """The rehearsal is on {v}.
        They have put the rehearsal on {v}.
        About the rehearsal: {v} it is.""",
        "the name of the puppy": """We call the puppy {v}.
        The puppy shall be named {v}.
        About the puppy: {v} is its name.""",
    }.items()
}
POOLS = {
    "the destination of the journey": tuple(c for c in CITIES if c.replace(" ", "").isalpha()),
    "the colour of the fence": tuple(c for c in COLOURS if c.isalpha()),
    "the day of the rehearsal": WEEKDAYS,
    "the name of the puppy": FIRST_NAMES,
}
LATEST = Wordings(
    """What did I last say about {topic}?
    Which is the latest that I told you about {topic}?
    As things stand, what is {topic}?
    Tell me {topic}, as I decided in the end.
    I changed my mind several times. What is {topic} now?
    By my last message on it, what is {topic}?
    Of all that I said about {topic}, what holds now?
    What is {topic}, going by my newest message?""",
    topic="|".join(SAID),
)
IN_WEEK = Wordings(
    """What did I say about {topic} in week {week}?
    In week {week}, what was {topic} to be?
    Look at week {week}: what did I tell you about {topic}?
    Back in week {week}, which was {topic}?
    What was my word on {topic} in week {week}?
    Week {week}: what did I write about {topic}?
    Which was {topic}, according to my message in week {week}?
    Remind me: in week {week}, what was {topic}?""",
    topic="|".join(SAID),
    week=r"\d+",
)
_WEEK = re.compile(r"^=== Week (\d+) ===$", re.M)
_THANKS = ("Noted.", "Thank you, I will remember that.", "Good to know!", "All right.")
_REQUESTS = (
    "Please read me some more of the book.",
    "What comes next in the text?",
    "Go on reading, please.",
    "Another piece of the text, please.",
)
READ_TOKENS, TURN_TOKENS = 220, 40
MOST_READS = 300
"""Pieces of text that are read; in longer talks they are longer."""
START = datetime(2026, 3, 2, 9, 0)


def _talk(draft: Draft, weekly: bool) -> Task:
    """Exchanges about a text, week by week; in each week some topics come up with a new value."""
    rng = draft.rng
    topics = list(SAID)
    n_weeks = int(rng.integers(3, 9))
    values = {}
    for topic, pool in POOLS.items():
        order = rng.permutation(len(pool)).tolist()
        values[topic] = [pool[order[w % len(pool)]] for w in range(n_weeks)]
    topic = pick(rng, topics)
    told = {
        (t, w)
        for t in topics
        for w in range(n_weeks)
        if rng.random() < (0.7 if t == topic else 0.4)
    }
    weeks = sorted(w for t, w in told if t == topic)
    if not weeks:
        raise UnfitError("the topic was not drawn")
    week = pick(rng, weeks) if weekly else weeks[-1]
    text, spans, parts = _write(draft, told, values, n_weeks)
    wordings = IN_WEEK if weekly else LATEST
    slots = {"topic": topic, **({"week": week + 1} if weekly else {})}
    question = draft.say.question(wordings.texts, "answer", **slots)
    return Task(text, question, (values[topic][week],), (spans[topic, week],), parts)


def _write(
    draft: Draft, told: set[tuple[str, int]], values: dict[str, list[str]], n_weeks: int
) -> tuple[str, dict[tuple[str, int], tuple[int, int]], tuple[Part, ...]]:
    rng = draft.rng
    room = draft.room()
    read = max(READ_TOKENS, room // MOST_READS)
    n_reads = max((room - TURN_TOKENS * len(told)) // (read + TURN_TOKENS), n_weeks)
    reads_left, turns_left, used = n_reads, n_reads + len(told), 0
    pieces: list[str] = []
    spans: dict[tuple[str, int], tuple[int, int]] = {}
    parts: list[Part] = []
    at = 0

    def put(text: str, tokens: int | None = None) -> None:
        nonlocal at, used
        pieces.append(text)
        at += len(text)
        used += draft.count(text) if tokens is None else tokens

    for week in range(n_weeks):
        put(("\n\n" if pieces else "") + f"=== Week {week + 1} ===")
        said = [topic for topic in SAID if (topic, week) in told]
        reads = n_reads // n_weeks + (week < n_reads % n_weeks)
        turns = [*said, *[""] * reads]
        hours = np.sort(rng.random(len(turns))) * 160
        for turn, hour in zip(rng.permutation(turns).tolist(), hours.tolist(), strict=True):
            now = START + timedelta(days=7 * week, hours=hour)
            put(f"\n\n{now:%A}, {now.day} {now:%B %Y}, {now:%H:%M}\n\nMe: ")
            if turn:
                line = SAID[turn].say(rng, v=values[turn][week])
                spans[turn, week] = (at, at + len(line))
                put(f"{line}\n\nAssistant: {pick(rng, _THANKS)}")
            else:
                put(f"{pick(rng, _REQUESTS)}\n\nAssistant: ")
                left = (room - used - TURN_TOKENS * turns_left) // reads_left
                stretch = draft.text(max(left, 80))
                parts += [part.shifted(at) for part in stretch.parts]
                put(stretch.text, stretch.tokens)
                reads_left -= 1
            turns_left -= 1
    return "".join(pieces), spans, tuple(parts)


def _said(document: str, topic: str) -> list[Found]:
    return SAID[topic].read(document)


def _solve_latest(document: str, question: str) -> Answer:
    return (_said(document, LATEST.match(question)["topic"])[-1].slots["v"],)


def _solve_week(document: str, question: str) -> Answer:
    asked = IN_WEEK.match(question)
    heads = [(int(m[1]), m.start()) for m in _WEEK.finditer(document)]
    start = next(at for week, at in heads if week == int(asked["week"]))
    end = next((at for week, at in heads if week == int(asked["week"]) + 1), len(document))
    hits = [x for x in _said(document, asked["topic"]) if start <= x.start < end]
    return tuple({x.slots["v"] for x in hits})


def _guess(question: str, rng: np.random.Generator, wordings: Wordings) -> Answer:
    return (pick(rng, POOLS[wordings.match(question)["topic"]]),)


_FLOOR = float(np.mean([1 / len(pool) for pool in POOLS.values()]))

FAMILIES = (
    Family(
        "talk/latest",
        "medium",
        lambda draft: _talk(draft, weekly=False),
        _solve_latest,
        lambda question, rng: _guess(question, rng, LATEST),
        _FLOOR,
        shortest=2048,
    ),
    Family(
        "talk/week",
        "medium",
        lambda draft: _talk(draft, weekly=True),
        _solve_week,
        lambda question, rng: _guess(question, rng, IN_WEEK),
        _FLOOR,
        shortest=2048,
    ),
)
