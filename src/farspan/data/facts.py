"""Invented facts to insert into documents, with questions that only those facts answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from farspan.data import words
from farspan.data.relations import Relation
from farspan.data.relations_meetings import MEETINGS
from farspan.data.relations_people import PEOPLE
from farspan.data.relations_skills import SKILLS
from farspan.data.relations_things import THINGS
from farspan.data.turns import Inserted, Turn, as_answer, capitalised, pick

RELATIONS = PEOPLE + MEETINGS + SKILLS + THINGS

_SENTENCE_REQUESTS = (
    " Answer in a full sentence.",
    " Answer in one sentence.",
    " Please reply with a complete sentence.",
)
_SHORT_REQUESTS = (" Answer briefly.", " Be brief.", " Give only the answer.")
_SMALL = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")

Pool = Callable[[np.random.Generator], str]


def _from(options: tuple[str, ...]) -> Pool:
    return lambda rng: pick(rng, options)


def _number(low: int, high: int) -> Pool:
    return lambda rng: str(int(rng.integers(low, high)))


def _person(rng: np.random.Generator) -> str:
    return f"{pick(rng, words.FIRST_NAMES)} {pick(rng, words.SURNAMES)}"


def _place(rng: np.random.Generator) -> str:
    if rng.random() < 0.35:
        return pick(rng, words.CITIES)
    return pick(rng, words.TOWN_STARTS) + pick(rng, words.TOWN_ENDS)


def _thing(rng: np.random.Generator) -> str:
    return f"{pick(rng, words.COLOURS)} {pick(rng, words.OBJECTS)}"


def _coined(rng: np.random.Generator) -> str:
    name = pick(rng, words.COINED_STARTS) + pick(rng, words.COINED_MIDDLES)
    kind = pick(rng, words.SUBSTANCES).removeprefix("the ")
    return f"{kind} {name}{pick(rng, words.COINED_ENDS)}"


def _company(rng: np.random.Generator) -> str:
    return f"{pick(rng, words.COMPANY_STARTS)} {pick(rng, words.COMPANY_ENDS)}"


def _phone(rng: np.random.Generator) -> str:
    area, line = int(rng.integers(200, 1000)), int(rng.integers(1000, 10000))
    return (
        f"{area}-{int(rng.integers(100, 1000))}-{line}" if rng.random() < 0.5 else f"{area}-{line}"
    )


def _password(rng: np.random.Generator) -> str:
    first, second = pick(rng, words.ADJECTIVES), pick(rng, words.NOUNS)
    return f"{first} {second}" if rng.random() < 0.5 else f"{second}{int(rng.integers(10, 1000))}"


def _hotel(rng: np.random.Generator) -> str:
    return f"Hotel {pick(rng, words.COMPANY_STARTS)}"


def _daymonth(rng: np.random.Generator) -> str:
    return f"{int(rng.integers(1, 29))} {pick(rng, words.MONTHS)}"


def _date(rng: np.random.Generator) -> str:
    month, day = pick(rng, words.MONTHS), int(rng.integers(1, 29))
    style = rng.random()
    if style < 0.4:
        return f"{month} {day}, {int(rng.integers(1700, 2030))}"
    return f"{pick(rng, words.WEEKDAYS)}, {month} {day}" if style < 0.7 else f"{day} {month}"


def _time(rng: np.random.Generator) -> str:
    hour, minute = int(rng.integers(1, 13)), int(rng.integers(0, 60))
    return f"{hour}:{minute:02d}"


def _address(rng: np.random.Generator) -> str:
    return f"{int(rng.integers(2, 200))} {pick(rng, words.STREETS)}"


def _title(rng: np.random.Generator) -> str:
    adjective, noun = pick(rng, words.ADJECTIVES), pick(rng, words.NOUNS)
    return f"The {capitalised(adjective)} {capitalised(noun)}"


def _facility(rng: np.random.Generator) -> str:
    kind = pick(rng, ("locker", "vault", "gate", "storeroom", "laboratory", "safe", "cabinet"))
    return f"{kind} {pick(rng, ('A', 'B', 'C', 'D', 'E', 'F'))}{int(rng.integers(10, 100))}"


def _bridge(rng: np.random.Generator) -> str:
    kind = pick(rng, ("Bridge", "Tunnel", "Viaduct", "Pier", "Wall", "Canal"))
    return f"{pick(rng, words.TOWN_STARTS)}{pick(rng, words.TOWN_ENDS)} {kind}"


def _ship(rng: np.random.Generator) -> str:
    adjective, noun = pick(rng, words.ADJECTIVES), pick(rng, words.NOUNS)
    return f"{capitalised(adjective)} {capitalised(noun)}"


def _festival(rng: np.random.Generator) -> str:
    kind = pick(rng, ("Festival", "Fair", "Parade", "Feast", "Games", "Procession"))
    return f"{capitalised(pick(rng, words.NOUNS))} {kind}"


def _amount(rng: np.random.Generator) -> str:
    amount = int(rng.integers(2, 10_000))
    return f"{amount:,}" if rng.random() < 0.5 else str(amount)


POOLS: Mapping[str, Pool] = {
    "address": _address,
    "age": _number(18, 104),
    "amount": _amount,
    "animal": _from(tuple(a for a in words.ANIMALS if a[0] not in "aeiou")),
    "bridge": _bridge,
    "code": _number(1000, 1_000_000),
    "coined": _coined,
    "colour": _from(tuple(c for c in words.COLOURS if c[0] not in "aeiou")),
    "company": _company,
    "count": _number(13, 9000),
    "date": _date,
    "daymonth": _daymonth,
    "distance": _from(("100 meters", "200 meters", "400 meters", "the full lap", "the long lap")),
    "facility": _facility,
    "fear": _from(words.FEARS),
    "festival": _festival,
    "food": _from(words.FOODS),
    "garment": _from(
        ("coat", "hat", "scarf", "bonnet", "waistcoat", "shawl", "cape", "glove", "belt", "jacket")
    ),
    "hiding": _from(words.HIDING_PLACES),
    "hobby": _from(words.HOBBIES),
    "hotel": _hotel,
    "inherited": _from(words.INHERITED),
    "instrument": _from(words.INSTRUMENTS),
    "language": _from(words.LANGUAGES),
    "meeting": _from(words.MEETING_PLACES),
    "painted": _from(words.PAINTED),
    "password": _password,
    "person": _person,
    "petname": _from(words.PET_NAMES),
    "phone": _phone,
    "place": _place,
    "profession": _from(words.PROFESSIONS),
    "room": _number(2, 900),
    "seconds": _number(11, 120),
    "ship": _ship,
    "small": _from(_SMALL),
    "subject": _from(words.SCHOOL_SUBJECTS),
    "thing": _from(
        tuple(
            f"{colour} {thing}"
            for colour in words.COLOURS
            if colour[0] not in "aeiou"
            for thing in words.OBJECTS
        )
    ),
    "time": _time,
    "title": _title,
    "year": _number(1502, 2024),
}

_TRIES = 24
BACKWARD = 2.0
"""How much likelier a question is that asks for the bearer of a value, such as an owner."""

_GROUPS = {"address": "lives_in", "works_where": "works_as", "owns": "hid"}
"""Relations whose questions could be answered from each other share their used values."""


def _may_repeat(relation: Relation, slot: str) -> bool:
    """Whether two facts of a relation may share a slot's value: no question relies on it."""
    if any(ask.target == slot for ask in relation.asks) and len(relation.asks) == 1:
        return True
    return slot == "x" and relation.name in ("color_of", "run")


def _fill(
    relation: Relation,
    rng: np.random.Generator,
    used: set[tuple[str, str, str]],
    cast: tuple[str, ...],
) -> dict[str, str] | None:
    """Values for all slots, none of them used before by the relation; None where none is left.

    People come from the `cast`, if there is one, in two facts of three.
    """
    group = _GROUPS.get(relation.name, relation.name)
    for _ in range(_TRIES):
        people = _from(cast) if cast and rng.random() < 0.67 else _person
        filled = {
            slot: people(rng) if pool == "person" else POOLS[pool](rng)
            for slot, pool in relation.slots.items()
        }
        keys = {
            (group, relation.slots[slot], value)
            for slot, value in filled.items()
            if not _may_repeat(relation, slot)
        }
        if len(set(filled.values())) == len(filled) and not keys & used:
            used |= keys
            return filled
    return None


def _turn(relation: Relation, filled: Mapping[str, str], rng: np.random.Generator) -> Turn:
    # From a value back to its bearer is harder to learn, since the value comes later in the text.
    shares = np.cumsum([BACKWARD if ask.target == "s" else 1.0 for ask in relation.asks])
    ask = relation.asks[int(np.searchsorted(shares, rng.random() * shares[-1]))]
    question = capitalised(pick(rng, ask.questions).format(**filled))
    style = rng.random()
    if style < 0.2:
        question += pick(rng, _SENTENCE_REQUESTS)
        answer = capitalised(ask.sentence.format(**filled))
    else:
        question += pick(rng, _SHORT_REQUESTS) if style < 0.3 else ""
        answer = as_answer(ask.short.format(**filled))
    return Turn(f"fact_{relation.name}", question, answer)


def fact_set(rng: np.random.Generator, n_facts: int, max_turns: int) -> Inserted:
    """`n_facts` invented facts and questions about up to `max_turns` of them, one a fact.

    Half of the sets draw on few relations, so that facts differ only in their entities; of the
    others, half tell several facts about each of a few people. Within a relation no value occurs
    twice where a question goes by it, so that each question has one answer.
    """
    few = rng.random() < 0.5
    n_kinds = int(rng.integers(1, 5)) if few else len(RELATIONS)
    kinds = [RELATIONS[int(i)] for i in rng.permutation(len(RELATIONS))[:n_kinds]]
    cast: tuple[str, ...] = ()
    if not few and rng.random() < 0.5:
        cast = tuple(_person(rng) for _ in range(max(2, n_facts // 3)))
    used: set[tuple[str, str, str]] = set()
    statements: list[str] = []
    asked: list[tuple[Relation, dict[str, str]]] = []
    for _ in range(n_facts):
        relation = kinds[int(rng.integers(len(kinds)))]
        filled = _fill(relation, rng, used, cast)
        if filled is None:
            relation = RELATIONS[int(rng.integers(len(RELATIONS)))]
            filled = _fill(relation, rng, used, cast)
        if filled is not None:
            statements.append(capitalised(pick(rng, relation.statements).format(**filled)))
            asked.append((relation, filled))
    order = rng.permutation(len(asked))[:max_turns]
    turns = tuple(_turn(asked[int(i)][0], asked[int(i)][1], rng) for i in order)
    return Inserted(tuple(statements), turns)
