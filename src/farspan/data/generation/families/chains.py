"""Joining several passages: variables, a friend of a friend, notes that point to notes, joins."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from farspan.data.generation.draft import Answer, Draft, Family, Task, weave
from farspan.data.generation.families.needles import near_keys
from farspan.data.generation.wordings import Wordings
from farspan.data.needles import random_key, random_value
from farspan.data.turns import pick
from farspan.data.words import CITIES, FIRST_NAMES, SURNAMES

_WORD, _NUMBER, _KEY = r"[A-Z]{5}", r"\d+", r"[a-z]+-[a-z]+"

SET = Wordings(
    """VAR {name} = {value}.
    The variable VAR {name} is set to {value}.
    Let VAR {name} be {value}.
    Assign {value} to VAR {name}.""",
    name=_WORD,
    value=rf"{_NUMBER}|VAR {_WORD}",
)
VARIABLES = Wordings(
    """Find all variables that are assigned the value {value} in the text above.
    Which variables hold the value {value}?
    List every variable whose value is {value}.
    Through the assignments, which variables come to be {value}?
    Name the variables that end up with {value}.
    Track the assignments: what variables equal {value}?
    Which variables have the value {value}, directly or through others?
    Give all variables that stand for {value}.""",
    value=_NUMBER,
)
N_CHAINS, HOPS = (2, 4), (2, 5)


def _names(rng: np.random.Generator, n: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < n:
        found[bytes(rng.integers(65, 91, size=5, dtype=np.uint8)).decode()] = None
    return list(found)


def _variables(draft: Draft) -> Task:
    """Chains of assignments after RULER; all have the same shape, one is asked for."""
    rng = draft.rng
    n_chains, hops = (int(rng.integers(a, b + 1)) for a, b in (N_CHAINS, HOPS))
    names = _names(rng, n_chains * (hops + 1))
    values = (rng.choice(90_000, size=n_chains, replace=False) + 10_000).tolist()
    lines: list[list[str]] = []
    for c in range(n_chains):
        chain = names[c * (hops + 1) : (c + 1) * (hops + 1)]
        first = SET.say(rng, name=chain[0], value=values[c])
        rest = [SET.say(rng, name=b, value=f"VAR {a}") for a, b in pairwise(chain)]
        lines.append([first, *rest])
    # The chains are mixed, each in its own order.
    owner = rng.permutation(np.repeat(np.arange(n_chains), hops + 1)).tolist()
    queues = [iter(chain) for chain in lines]
    woven = weave(draft, [next(queues[c]) for c in owner], draft.room())
    spans = tuple(span for span, c in zip(woven.spans, owner, strict=True) if c == 0)
    question = draft.say.question(VARIABLES.texts, "names, separated by commas", value=values[0])
    return Task(woven.text, question, tuple(names[: hops + 1]), spans, woven.parts)


def _solve_variables(document: str, question: str) -> Answer:
    wanted = VARIABLES.match(question)["value"]
    values: dict[str, str] = {}
    for found in SET.read(document):
        value = found.slots["value"]
        values[found.slots["name"]] = values.get(value[4:], value) if "VAR" in value else value
    return tuple(name for name, value in values.items() if value == wanted)


KIN = Wordings(
    """All agree that the {kin} of {a} is {b}.
    {b} is well known as the {kin} of {a}.
    {a} is content to have {b} as {kin}.
    As {kin}, {a} has chosen {b}.
    It was {b} who became the {kin} of {a}.""",
    kin="tutor|lawyer|neighbour|landlord|doctor|partner",
    a=r"[A-Z]\w+ [A-Z]\w+",
    b=r"[A-Z]\w+ [A-Z]\w+",
)
KINDS = ("tutor", "lawyer", "neighbour", "landlord", "doctor", "partner")
WHO = Wordings(
    """Who is {path}?
    Name {path}.
    The text lets you work out {path}. Who is it?
    Which person is {path}?
    Tell me who {path} is.
    Find {path}.
    By following the text one can find {path}; who is that?
    What is the name of {path}?""",
    path=r"the .+?",
)


def _people(rng: np.random.Generator, n: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < n:
        found[f"{pick(rng, FIRST_NAMES)} {pick(rng, SURNAMES)}"] = None
    return list(found)


def _hops(draft: Draft) -> Task:
    """A path over two to four people, each with other relations that lead elsewhere."""
    rng = draft.rng
    n = int(rng.integers(2, 5))
    people = _people(rng, n + 1 + 4 * n)
    path, others = people[: n + 1], people[n + 1 :]
    kins = [pick(rng, KINDS) for _ in range(n)]
    facts = [(kin, a, b) for kin, (a, b) in zip(kins, pairwise(path), strict=True)]
    for i in range(n):
        for k in range(4):
            # Two wrong turns of each person on the path, and two relations of the same kind.
            kin = pick(rng, [x for x in KINDS if x != kins[i]]) if k < 2 else kins[i]
            source = path[i] if k < 2 else others[(4 * i + k + 1) % len(others)]
            facts.append((kin, source, others[4 * i + k]))
    taken: dict[tuple[str, str], str] = {}
    facts = [(k, a, b) for k, a, b in facts if taken.setdefault((k, a), b) == b and a != b]
    statements = [KIN.say(rng, kin=k, a=a, b=b) for k, a, b in facts]
    woven = weave(draft, statements, draft.room(), in_order=False)
    told = " of ".join(f"the {kin}" for kin in reversed(kins)) + f" of {path[0]}"
    question = draft.say.question(WHO.texts, "name", path=told)
    return Task(woven.text, question, (path[-1],), woven.spans[:n], woven.parts)


def _solve_hops(document: str, question: str) -> Answer:
    *kins, person = WHO.match(question)["path"].split(" of ")
    known = {
        (found.slots["kin"], found.slots["a"]): found.slots["b"] for found in KIN.read(document)
    }
    for kin in reversed(kins):
        person = known[kin.removeprefix("the "), person]
    return (person,)


POINTERS = Wordings(
    """What is said about {a} can be found under {b}.
    For {a}, see {b}.
    The entry of {a} only refers to {b}.
    Whoever looks for {a} is sent on to {b}.
    About {a} nothing is written here; turn to {b}.""",
    a=_KEY,
    b=_KEY,
)
ENDS = Wordings(
    """Under {a} stands the number {value}.
    The number kept for {a} is {value}.
    At {a} the number {value} is written.
    With {a} belongs the number {value}.""",
    a=_KEY,
    value=_NUMBER,
)
POINTED = Wordings(
    """Which number is finally found for {a}?
    Follow the references from {a}: which number do they lead to?
    Starting at {a}, to which number do the notes lead?
    What number does {a} lead to?
    Look for {a} and follow every reference. What number do you arrive at?
    Which number stands at the end of the trail that begins with {a}?
    Beginning with {a}, follow the notes to a number.
    If you look up {a} and go where you are sent, which number do you find?""",
    a=_KEY,
)


def _pointers(draft: Draft) -> Task:
    """A chain of references from key to key, the last of which has a number."""
    rng = draft.rng
    n, n_chains = int(rng.integers(2, 6)), int(rng.integers(3, 7))
    first = random_key(rng, pair=True)
    keys = [first, *near_keys(rng, first, n * n_chains - 1)]
    statements, spans_wanted = [], n
    values = [random_value(rng, "number") for _ in range(n_chains)]
    for c in range(n_chains):
        chain = keys[c * n : (c + 1) * n]
        statements += [POINTERS.say(rng, a=a, b=b) for a, b in pairwise(chain)]
        statements.append(ENDS.say(rng, a=chain[-1], value=values[c]))
    woven = weave(draft, statements, draft.room(), in_order=False)
    question = draft.say.question(POINTED.texts, "number", a=first)
    return Task(woven.text, question, (values[0],), woven.spans[:spans_wanted], woven.parts)


def _solve_pointers(document: str, question: str) -> Answer:
    key = POINTED.match(question)["a"]
    on = {found.slots["a"]: found.slots["b"] for found in POINTERS.read(document)}
    ends = {found.slots["a"]: found.slots["value"] for found in ENDS.read(document)}
    while key in on:
        key = on[key]
    return (ends[key],)


WORKS = Wordings(
    """{a} works for the {b} company.
    The {b} company employs {a}.
    {a} has joined the {b} company.
    On the payroll of the {b} company stands {a}.""",
    a=r"[A-Z]\w+ [A-Z]\w+",
    b=_KEY,
)
SEATS = Wordings(
    """The {b} company has its seat in {c}.
    In {c} the {b} company keeps its office.
    The office of the {b} company is in {c}.
    The {b} company is run from {c}.""",
    b=_KEY,
    c=r"[A-Z][\w .'-]*?",
)
JOINED = Wordings(
    """Who works for a company that has its seat in {c}?
    Which people are employed by companies of {c}?
    List everybody whose company is run from {c}.
    Whose employer has its office in {c}?
    Name all people who work for a company in {c}.
    Which of the people mentioned work for firms with an office in {c}?
    Find the employees of all companies that sit in {c}.
    Companies in {c} employ whom?""",
    c=r"[A-Z][\w .'-]*?",
)


def _join(draft: Draft) -> Task:
    """People with companies, companies with cities; one city's people are asked for."""
    rng = draft.rng
    cities = [c for c in CITIES if c.replace(" ", "").isalpha()]
    cities = [cities[i] for i in rng.permutation(len(cities))[:3].tolist()]
    firms = near_keys(rng, random_key(rng, pair=True), 6)
    people = _people(rng, 12)
    seat = {firm: cities[i % 3] for i, firm in enumerate(firms)}
    works = {person: firms[int(rng.integers(6))] for person in people}
    works[people[0]] = firms[0]
    statements = [WORKS.say(rng, a=a, b=b) for a, b in works.items()]
    statements += [SEATS.say(rng, b=b, c=c) for b, c in seat.items()]
    woven = weave(draft, statements, draft.room(), in_order=False)
    keys = [*works, *seat]
    used = {a for a, b in works.items() if seat[b] == cities[0]}
    used |= {b for b, c in seat.items() if c == cities[0]}
    hits = sorted((s, k) for s, k in zip(woven.spans, keys, strict=True) if k in used)
    answer = tuple(key for _, key in hits if key in works)
    question = draft.say.question(JOINED.texts, "names, separated by commas", c=cities[0])
    return Task(woven.text, question, answer, tuple(span for span, _ in hits), woven.parts)


def _solve_join(document: str, question: str) -> Answer:
    city = JOINED.match(question)["c"]
    firms = {x.slots["b"] for x in SEATS.read(document) if x.slots["c"] == city}
    return tuple(x.slots["a"] for x in WORKS.read(document) if x.slots["b"] in firms)


def _guess_names(question: str, rng: np.random.Generator) -> Answer:
    return tuple(_names(rng, 4))


def _guess_person(question: str, rng: np.random.Generator) -> Answer:
    return tuple(_people(rng, 1))


FAMILIES = (
    Family(
        "chain/variables",
        "medium",
        _variables,
        _solve_variables,
        _guess_names,
        source="after Hsieh et al. 2024, arXiv 2404.06654",
    ),
    Family("chain/hops", "medium", _hops, _solve_hops, _guess_person),
    Family(
        "chain/pointers",
        "medium",
        _pointers,
        _solve_pointers,
        lambda question, rng: (random_value(rng, "number"),),
    ),
    Family("chain/join", "medium", _join, _solve_join, _guess_person),
)
