"""Needles of every kind that RULER has (Hsieh et al. 2024, arXiv 2404.06654), and the passkey.

Keys with one or several values hide in prose, in repeated sentences or among other needles; half
of the distractors share a word with the key that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from farspan.data.generation.draft import Answer, Draft, Family, Stretch, Task, UnfitError, weave
from farspan.data.generation.wordings import Wordings
from farspan.data.needles import TYPES, random_key, random_value
from farspan.data.words import ADJECTIVES, NOUNS

SOURCE = "after Hsieh et al. 2024, arXiv 2404.06654"
_KEY, _VALUE = r"[a-z]+(?:-[a-z]+)?", r"[\da-z]+(?:-[\da-z]+)*"

NEEDLES = Wordings(
    """One of the special magic {type}s for {key} is: {value}.
    The special magic {type} of {key} is: {value}.
    For {key}, a special magic {type} is: {value}.
    Among the special magic {type}s for {key} is this one: {value}.
    A special magic {type} that belongs to {key} is: {value}.
    Note the special magic {type} for {key}: {value}.""",
    type="number|word|uuid",
    key=_KEY,
    value=_VALUE,
)
ONE = Wordings(
    """What is the special magic {type} for {key} mentioned in the provided text?
    Which special magic {type} does the text give for {key}?
    The text hides a special magic {type} for {key}; what is it?
    Find the special magic {type} of {key}.
    What special magic {type} belongs to {key}?
    Tell me the special magic {type} for {key}.
    Somewhere a special magic {type} for {key} is named. Which is it?
    Do you recall the special magic {type} of {key}?
    {key} has a special magic {type}; please name it.
    Under which special magic {type} is {key} noted?
    Look up {key}: what is its special magic {type}?""",
    type="number|word|uuid",
    key=_KEY,
)
ALL = Wordings(
    """What are all the special magic {type}s for {keys} mentioned in the provided text?
    List every special magic {type} that the text gives for {keys}.
    Which special magic {type}s belong to {keys}?
    Find all special magic {type}s for {keys}.
    Collect the special magic {type}s of {keys}.
    The text names several special magic {type}s for {keys}; which?
    Give each special magic {type} noted for {keys}.
    Tell me all special magic {type}s of {keys}.""",
    type="number|word|uuid",
    keys=r"[a-z\-, ]+?",
)


def near_keys(rng: np.random.Generator, key: str, n: int) -> list[str]:
    """`n` other keys; those at even places share a word with `key`."""
    adjective, _, noun = key.partition("-")
    found: dict[str, None] = {}
    while len(found) < n:
        other = random_key(rng, pair=True)
        if len(found) % 2 == 0:
            first, _, second = other.partition("-")
            other = f"{adjective}-{second}" if rng.random() < 0.5 else f"{first}-{noun}"
        if other != key:
            found[other] = None
    return list(found)


def needle_stretch(draft: Draft, kind: str, taken: set[str]) -> Callable[[int], Stretch]:
    """A haystack of other needles, for a number of tokens."""

    def take(tokens: int) -> Stretch:
        rng = draft.rng
        sample = [_needle(rng, kind, random_key(rng, True), NEEDLES) for _ in range(20)]
        each = draft.count.each([" " + x for x in sample]).mean()
        n = int(tokens / each * 1.02) + 1
        first, second = rng.integers(len(ADJECTIVES), size=n), rng.integers(len(NOUNS), size=n)
        words = rng.integers(len(NEEDLES.texts), size=n).tolist()
        lines: list[str] = []
        for a, b, w in zip(first.tolist(), second.tolist(), words, strict=True):
            key = f"{ADJECTIVES[a]}-{NOUNS[b]}"
            if key not in taken:
                value = random_value(rng, kind)
                lines.append(NEEDLES.texts[w].format(type=kind, key=key, value=value))
        costs = np.cumsum(draft.count.each([" " + line for line in lines]))
        lines = lines[: int(np.searchsorted(costs, tokens, side="right"))]
        if not lines:
            raise UnfitError("there is no room for other needles")
        used = int(costs[len(lines) - 1])
        stops = np.cumsum([len(line) + 1 for line in lines]).astype(np.int64) - 1
        return Stretch(" ".join(lines), stops, used, ())

    return take


def _needle(rng: np.random.Generator, kind: str, key: str, wordings: Wordings) -> str:
    return wordings.say(rng, type=kind, key=key, value=random_value(rng, kind))


def _make(draft: Draft, n_keys: int, n_values: int, n_asked: int) -> Task:
    rng = draft.rng
    kind = TYPES[int(rng.choice(3, p=(0.6, 0.2, 0.2)))]
    first = random_key(rng, pair=True)
    keys = [first, *near_keys(rng, first, n_keys - 1)]
    values: dict[str, list[str]] = {}
    for key in keys:
        distinct: dict[str, None] = {}
        while len(distinct) < n_values:
            distinct[random_value(rng, kind)] = None
        values[key] = list(distinct)
    pairs = [(key, value) for key in keys for value in values[key]]
    statements = [NEEDLES.say(rng, type=kind, key=key, value=value) for key, value in pairs]
    room = draft.room()
    among = rng.random() < 0.25
    take = needle_stretch(draft, kind, set(keys)) if among else None
    woven = weave(draft, statements, room, in_order=False, take=take)
    asked = keys[:n_asked]
    if n_asked * n_values == 1:
        question = draft.say.question(ONE.texts, kind, type=kind, key=first)
    else:
        joined = ", ".join(asked[:-1]) + " and " + asked[-1] if n_asked > 1 else first
        form = f"{kind}s, separated by commas"
        question = draft.say.question(ALL.texts, form, type=kind, keys=joined)
    hits = sorted(
        (span, value) for (key, value), span in zip(pairs, woven.spans, strict=True) if key in asked
    )
    if len({value for _, value in hits}) < len(hits):
        raise UnfitError("a value was drawn twice")
    answer = tuple(value for _, value in hits)
    return Task(woven.text, question, answer, tuple(span for span, _ in hits), woven.parts)


def _solve_one(document: str, question: str) -> Answer:
    asked = ONE.match(question)
    return _values(document, asked["type"], {asked["key"]})


def _solve_all(document: str, question: str) -> Answer:
    asked = ALL.match(question)
    return _values(document, asked["type"], set(asked["keys"].replace(" and ", ", ").split(", ")))


def _values(document: str, kind: str, keys: set[str]) -> Answer:
    return tuple(
        found.slots["value"]
        for found in NEEDLES.read(document)
        if found.slots["type"] == kind and found.slots["key"] in keys
    )


def _guess(question: str, rng: np.random.Generator) -> Answer:
    return (random_value(rng, next(kind for kind in TYPES if f"magic {kind}" in question)),)


PASSKEY = Wordings(
    """The pass key is {key}. Remember it. {key} is the pass key.
    The passkey to be remembered is {key}. Keep {key} in mind as the passkey.
    Do not forget: the pass key is {key}. I repeat that the pass key is {key}.""",
    key=r"\d+",
)
DECOYS = Wordings(
    """The old pass key, which is no longer valid, was {key}.
    The telephone number of the porter is {key}.
    A ticket with the number {key} was found on the floor.""",
    key=r"\d+",
)
PASSKEY_QUESTIONS = Wordings(
    """What is the pass key?
    Which pass key were you told to remember?
    Please repeat the pass key from the text.
    The text tells a pass key. What is it?
    Name the valid pass key.
    What number is the pass key?
    Which number must be remembered as the pass key?
    I have forgotten the pass key; what was it?"""
)


def _passkey(draft: Draft) -> Task:
    rng = draft.rng
    numbers = rng.choice(90_000, size=3, replace=False) + 10_000
    statements = [PASSKEY.say(rng, key=numbers[0])]
    statements += [DECOYS.say(rng, key=number) for number in numbers[1:]]
    woven = weave(draft, statements, draft.room(), in_order=False)
    question = draft.say.question(PASSKEY_QUESTIONS.texts, "number")
    return Task(woven.text, question, (str(numbers[0]),), woven.spans[:1], woven.parts)


def _solve_passkey(document: str, question: str) -> Answer:
    PASSKEY_QUESTIONS.match(question)
    return tuple({found.slots["key"] for found in PASSKEY.read(document)})


def _family(
    name: str, low: tuple[int, int, int], high: tuple[int, int, int], solve: Callable[..., Answer]
) -> Family:
    """A kind with its least and greatest numbers of keys, values a key, and keys asked for."""

    def make(draft: Draft) -> Task:
        keys, values, asked = (
            int(draft.rng.integers(a, b + 1)) for a, b in zip(low, high, strict=True)
        )
        return _make(draft, max(keys, asked), values, asked)

    return Family(f"needle/{name}", "local", make, solve, _guess, source=SOURCE)


FAMILIES = (
    _family("single", (1, 1, 1), (1, 1, 1), _solve_one),
    _family("multikey", (4, 1, 1), (16, 1, 1), _solve_one),
    _family("multivalue", (1, 2, 1), (3, 4, 1), _solve_all),
    _family("multiquery", (3, 1, 2), (12, 1, 4), _solve_all),
    Family(
        "needle/passkey",
        "local",
        _passkey,
        _solve_passkey,
        lambda question, rng: (str(int(rng.integers(10_000, 100_000))),),
        source="after Mohtashami and Jaggi 2023, arXiv 2305.16300",
    ),
)
