"""Contracts and statutes: what a defined term means, and where cross references lead."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from farspan.data.generation.draft import Answer, Draft, Family, Task, weave
from farspan.data.generation.families.chains import near_keys
from farspan.data.generation.wordings import Wordings
from farspan.data.needles import random_key
from farspan.data.turns import pick
from farspan.data.words import CITIES

_TERM = r"[A-Z][a-z]+ [A-Z][a-z]+"
_SECTION = r"\d+\.\d+"

MEANS = Wordings(
    """In this Agreement, "{term}" means the {what}.
    "{term}" shall mean the {what}.
    The expression "{term}" is used for the {what}.
    For the purposes of this Act, "{term}" means the {what}.
    By "{term}" the parties understand the {what}.""",
    term=_TERM,
    what=r"[a-z]+ of [A-Z][\w' -]*?",
)
SAME = Wordings(
    """"{term}" has the meaning given to "{other}".
    In this Agreement, "{term}" is to be read as "{other}".
    Where "{term}" is used, it stands for "{other}".
    The definition of "{other}" applies to "{term}" as well.""",
    term=_TERM,
    other=_TERM,
)
DEFINED = Wordings(
    """What does "{term}" mean under these provisions?
    How is the term "{term}" defined?
    Which thing does the defined term "{term}" stand for?
    What is meant by "{term}"?
    Look up the definition of "{term}" and follow it to its end. What does it mean?
    According to the definitions, what is "{term}"?
    Resolve the defined term "{term}".
    In the sense of these provisions, "{term}" is what?""",
    term=_TERM,
)
_OBJECTS = ("harbour", "warehouse", "mill", "quarry", "archive", "court", "railway", "brewery")


def _term(key: str) -> str:
    return " ".join(word.capitalize() for word in key.split("-"))


def _definition(draft: Draft) -> Task:
    """Terms defined outright or through others; similar terms have other meanings."""
    rng = draft.rng
    n = int(rng.integers(1, 4))
    first = random_key(rng, pair=True)
    terms = [_term(key) for key in [first, *near_keys(rng, first, 4 * n + 5)]]
    cities = [c for c in CITIES if c.replace(" ", "").isalpha()]
    meanings = {f"{pick(rng, _OBJECTS)} of {pick(rng, cities)}": None for _ in range(60)}
    chains = [terms[c * n : (c + 1) * n] for c in range(len(terms) // n)]
    statements: list[str] = []
    for chain, what in zip(chains, meanings, strict=False):
        statements += [SAME.say(rng, term=a, other=b) for a, b in pairwise(chain)]
        statements.append(MEANS.say(rng, term=chain[-1], what=what))
    woven = weave(draft, statements, draft.room(), in_order=False)
    question = draft.say.question(DEFINED.texts, "thing and its place", term=terms[0])
    answer = f"the {next(iter(meanings))}"
    return Task(woven.text, question, (answer,), woven.spans[:n], woven.parts)


def _solve_definition(document: str, question: str) -> Answer:
    term = DEFINED.match(question)["term"]
    same = {x.slots["term"]: x.slots["other"] for x in SAME.read(document)}
    means = {x.slots["term"]: x.slots["what"] for x in MEANS.read(document)}
    while term in same:
        term = same[term]
    return (f"the {means[term]}",)


REFERS = Wordings(
    """Section {a} applies as set out in Section {b}.
    For Section {a} the rules of Section {b} hold.
    Section {a} is subject to the terms of Section {b}.
    As to Section {a}, see Section {b}.""",
    a=_SECTION,
    b=_SECTION,
)
LIMITS = Wordings(
    """Under Section {a} the time limit is {n} days.
    Section {a} sets a time limit of {n} days.
    A period of {n} days is laid down in Section {a}.
    The notice required by Section {a} must be given within {n} days.""",
    a=_SECTION,
    n=r"\d+",
)
LIMIT = Wordings(
    """Which time limit, in days, applies to Section {a} once its references are followed?
    Following all references from Section {a}, how many days are allowed?
    What is the period in days that Section {a} finally refers to?
    How many days does Section {a}, through its references, provide for?
    Trace Section {a} to the section that sets a limit. How many days is it?
    Section {a} refers to others. What time limit in days results?
    By cross reference, how many days hold for Section {a}?
    Starting from Section {a}, follow the references: what is the limit in days?""",
    a=_SECTION,
)


def _sections(rng: np.random.Generator, n: int) -> list[str]:
    picks = rng.choice(40 * 30, size=n, replace=False).tolist()
    return [f"{1 + i // 30}.{1 + i % 30}" for i in picks]


def _reference(draft: Draft) -> Task:
    rng = draft.rng
    hops, n_chains = int(rng.integers(2, 6)), int(rng.integers(3, 7))
    sections = _sections(rng, hops * n_chains)
    days = rng.choice(np.arange(3, 400), size=n_chains, replace=False).tolist()
    statements: list[str] = []
    for c in range(n_chains):
        chain = sections[c * hops : (c + 1) * hops]
        statements += [REFERS.say(rng, a=a, b=b) for a, b in pairwise(chain)]
        statements.append(LIMITS.say(rng, a=chain[-1], n=days[c]))
    woven = weave(draft, statements, draft.room(), in_order=False)
    question = draft.say.question(LIMIT.texts, "number in digits", a=sections[0])
    return Task(woven.text, question, (str(days[0]),), woven.spans[:hops], woven.parts)


def _solve_reference(document: str, question: str) -> Answer:
    section = LIMIT.match(question)["a"]
    refers = {x.slots["a"]: x.slots["b"] for x in REFERS.read(document)}
    limits = {x.slots["a"]: x.slots["n"] for x in LIMITS.read(document)}
    while section in refers:
        section = refers[section]
    return (limits[section],)


FAMILIES = (
    Family(
        "law/definition",
        "medium",
        _definition,
        _solve_definition,
        lambda question, rng: (f"the {pick(rng, _OBJECTS)} of {pick(rng, CITIES)}",),
    ),
    Family(
        "law/reference",
        "medium",
        _reference,
        _solve_reference,
        lambda question, rng: (str(int(rng.integers(3, 400))),),
    ),
)
