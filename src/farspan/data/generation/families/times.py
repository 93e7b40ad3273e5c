"""Order and time: what is told first, and what happened first by dates spread in the text."""

from __future__ import annotations

import re
from datetime import date, timedelta

import numpy as np

from farspan.data.generation.draft import Answer, Draft, Family, Task, UnfitError, weave
from farspan.data.generation.wordings import Wordings
from farspan.data.turns import pick
from farspan.data.words import COLOURS, MONTHS, OBJECTS, TOWN_ENDS, TOWN_STARTS

_DATE, _TOWN = r"\d{1,2} [A-Z][a-z]+ \d{4}", r"[A-Z]\w+"

DONE = Wordings(
    """On {date} the {event} of {town} took place.
    The {event} of {town} fell on {date}.
    {town} had its {event} on {date}.
    It was {date} when the {event} of {town} came about.
    The annals of {town} put the {event} on {date}.""",
    date=_DATE,
    event=r"\w+",
    town=_TOWN,
)
EVENTS = ("flood", "fire", "siege", "fair", "famine", "wedding", "plague", "storm", "election")
RANKED = Wordings(
    """Order these events by their dates, the earliest first: {events}.
    In which order did these events happen? {events}.
    Put these events into the order of time: {events}.
    Arrange by date, from early to late: {events}.
    Make a timeline of these events: {events}.
    Which of these events came first, which next, and so on? {events}.
    Sort by the dates that the text gives: {events}.
    From the earliest to the latest, how do these events follow each other? {events}.""",
    events=r"[^.?!]+",
)
NTH = Wordings(
    """Of all dated events in the text, which was the {nth} in time?
    By date, which event is the {nth} of all?
    Put all dated events in order of time. Which is the {nth}?
    Which event stands in the {nth} place of the whole timeline?
    Going by the dates alone, what was the {nth} event?
    Name the event that is the {nth} by date.
    In the order of the dates, which event comes {nth}?
    Of everything that the text dates, what happened {nth}?""",
    nth="first|second|third|fourth|last",
)
BETWEEN = Wordings(
    """How many dated events happened after the {a} and before the {b}?
    Between the {a} and the {b}, how many other dated events were there?
    Count the dated events after the {a} and before the {b}.
    How many of the dated events lie in time between the {a} and the {b}?
    After the {a} but before the {b}: how many events does the text date?
    What is the number of dated events between the {a} and the {b}?
    How many dated events separate the {a} from the {b}?
    In the timeline, how many events stand between the {a} and the {b}?""",
    a=r"\w+ of \w+",
    b=r"\w+ of \w+",
)
_RANKS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}
N_EVENTS, N_RANKED = (7, 16), 4
MOST_BETWEEN = 5


def _read_date(text: str) -> date:
    day, month, year = text.split()
    return date(int(year), MONTHS.index(month) + 1, int(day))


def _say_date(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _dated(draft: Draft) -> tuple[list[tuple[date, str]], list[str]]:
    """Events with dates within three years, and their sentences in no order of time."""
    rng = draft.rng
    n = int(rng.integers(N_EVENTS[0], N_EVENTS[1] + 1))
    towns: dict[str, None] = {}
    while len(towns) < n // 2 + 1:
        towns[pick(rng, TOWN_STARTS) + pick(rng, TOWN_ENDS)] = None
    names: dict[tuple[str, str], None] = {}
    while len(names) < n:
        names[pick(rng, EVENTS), pick(rng, list(towns))] = None
    start = date(int(rng.integers(1600, 1950)), 1, 1)
    days = [start + timedelta(int(x)) for x in rng.choice(1095, size=n, replace=False)]
    texts = [
        DONE.say(rng, date=_say_date(day), event=event, town=town)
        for day, (event, town) in zip(days, names, strict=True)
    ]
    return [(d, f"{a} of {b}") for d, (a, b) in zip(days, names, strict=True)], texts


def _read(document: str) -> dict[str, date]:
    return {
        f"{x.slots['event']} of {x.slots['town']}": _read_date(x.slots["date"])
        for x in DONE.read(document)
    }


def _timeline(draft: Draft) -> Task:
    events, texts = _dated(draft)
    woven = weave(draft, texts, draft.room(), in_order=False)
    picked = draft.rng.permutation(len(events))[:N_RANKED].tolist()
    shown = ", ".join(f"the {events[i][1]}" for i in picked)
    answer = tuple(f"the {name}" for _, name in sorted(events[i] for i in picked))
    form = "events, in order, separated by commas"
    question = draft.say.question(RANKED.texts, form, events=shown)
    return Task(woven.text, question, answer, tuple(woven.spans[i] for i in picked), woven.parts)


def _asked_events(question: str) -> list[str]:
    return [f"{a} of {b}" for a, b in re.findall(r"the (\w+) of ([A-Z]\w+)", question)]


def _solve_timeline(document: str, question: str) -> Answer:
    RANKED.match(question)
    known = _read(document)
    return tuple(f"the {x}" for x in sorted(_asked_events(question), key=known.__getitem__))


def _guess_timeline(question: str, rng: np.random.Generator) -> Answer:
    events = _asked_events(question)
    return tuple(f"the {events[i]}" for i in rng.permutation(len(events)))


def _nth(draft: Draft) -> Task:
    events, texts = _dated(draft)
    woven = weave(draft, texts, draft.room(), in_order=False)
    rank = pick(draft.rng, tuple(_RANKS))
    name = sorted(events)[_RANKS[rank]][1]
    question = draft.say.question(NTH.texts, "event and its town (such as flood of X)", nth=rank)
    return Task(woven.text, question, (name,), woven.spans, woven.parts)


def _solve_nth(document: str, question: str) -> Answer:
    known = _read(document)
    return (sorted(known, key=known.__getitem__)[_RANKS[NTH.match(question)["nth"]]],)


def _guess_nth(question: str, rng: np.random.Generator) -> Answer:
    return (f"{pick(rng, EVENTS)} of {pick(rng, TOWN_STARTS)}{pick(rng, TOWN_ENDS)}",)


def _between(draft: Draft) -> Task:
    events, texts = _dated(draft)
    order = sorted(range(len(events)), key=lambda i: events[i])
    n = int(draft.rng.integers(0, MOST_BETWEEN + 1))
    if n + 2 > len(order):
        raise UnfitError("too few events")
    first = int(draft.rng.integers(0, len(order) - n - 1))
    a, b = order[first], order[first + n + 1]
    woven = weave(draft, texts, draft.room(), in_order=False)
    names = {"a": events[a][1], "b": events[b][1]}
    question = draft.say.question(BETWEEN.texts, "number in digits", **names)
    spans = tuple(woven.spans[i] for i in order[first : first + n + 2])
    return Task(woven.text, question, (str(n),), spans, woven.parts)


def _solve_between(document: str, question: str) -> Answer:
    asked, known = BETWEEN.match(question), _read(document)
    low, high = known[asked["a"]], known[asked["b"]]
    return (str(sum(low < day < high for day in known.values())),)


TOLD = Wordings(
    """Then somebody found the {thing}.
    At this point the {thing} was mentioned.
    Here the talk turned to the {thing}.
    It was now that the {thing} came to light.""",
    thing=r"[a-z][a-z -]*?",
)
MENTIONED = Wordings(
    """In which order does the text mention these things? {things}.
    Put these things into the order in which they come up: {things}.
    Which of these is mentioned first, which next, and so on? {things}.
    Order these things by where the text tells of them: {things}.
    Arrange these by their first mention: {things}.
    Sort these things by their place in the text: {things}.
    From the beginning of the text to its end, how do these follow each other? {things}.
    Reading from the start, in what order do these turn up? {things}.""",
    things=r"[^.?!]+",
)


def _mentions(draft: Draft) -> Task:
    rng = draft.rng
    plain = [x for x in OBJECTS if x.replace(" ", "").replace("-", "").isalpha()]
    names: dict[str, None] = {}
    while len(names) < 10:
        names[f"{pick(rng, COLOURS)} {pick(rng, plain)}".lower()] = None
    things = list(names)
    woven = weave(draft, [TOLD.say(rng, thing=thing) for thing in things], draft.room())
    picked = np.sort(rng.permutation(len(things))[:N_RANKED]).tolist()
    shown = ", ".join(f"the {things[i]}" for i in rng.permutation(picked).tolist())
    answer = tuple(f"the {things[i]}" for i in picked)
    form = "things, in order, separated by commas"
    question = draft.say.question(MENTIONED.texts, form, things=shown)
    return Task(woven.text, question, answer, tuple(woven.spans[i] for i in picked), woven.parts)


def _things(question: str) -> list[str]:
    return [x.strip().removeprefix("the ") for x in MENTIONED.match(question)["things"].split(",")]


def _solve_mentions(document: str, question: str) -> Answer:
    asked = _things(question)
    order = [x.slots["thing"] for x in TOLD.read(document) if x.slots["thing"] in asked]
    return tuple(f"the {thing}" for thing in order)


def _guess_mentions(question: str, rng: np.random.Generator) -> Answer:
    things = _things(question)
    return tuple(f"the {things[i]}" for i in rng.permutation(len(things)))


FAMILIES = (
    Family(
        "time/mentions", "medium", _mentions, _solve_mentions, _guess_mentions, 1 / 24, ordered=True
    ),
    Family(
        "time/order", "global", _timeline, _solve_timeline, _guess_timeline, 1 / 24, ordered=True
    ),
    Family("time/nth", "global", _nth, _solve_nth, _guess_nth),
    Family(
        "time/between",
        "global",
        _between,
        _solve_between,
        lambda question, rng: (str(int(rng.integers(0, MOST_BETWEEN + 1))),),
        1 / (MOST_BETWEEN + 1),
    ),
)
