"""Counting and adding up what is spread over the whole text: visits, sales, visitors, accounts."""

from __future__ import annotations

from collections import Counter

import numpy as np

from farspan.data.generation.draft import Answer, Draft, Family, Task, UnfitError, weave
from farspan.data.generation.wordings import Wordings
from farspan.data.turns import pick
from farspan.data.words import COMPANY_STARTS, FIRST_NAMES, SURNAMES, TOWN_ENDS, TOWN_STARTS

_SHIP, _TOWN, _PERSON = r"[A-Z]\w+", r"[A-Z]\w+", r"[A-Z]\w+ [A-Z]\w+"

CALLS = Wordings(
    """The ship {ship} called at {town}.
    In {town} the ship {ship} took on water.
    At {town} the {ship} lay over night.
    The {ship} dropped anchor off {town}.
    The harbour of {town} received the {ship}.""",
    ship=_SHIP,
    town=_TOWN,
)
NO_CALLS = Wordings(
    """The ship {ship} sailed past {town}.
    In {town} they waited in vain for the ship {ship}.
    The {ship} was refused entry at {town}.
    A letter from {town} was meant for the captain of the {ship}."""
)
HOW_OFTEN = Wordings(
    """How many times did a ship call at {town}, take on water, lie over night, anchor or enter?
    Count the calls of ships at {town}. How many are there in the text?
    How often does the text tell of a ship that stopped at {town}?
    What is the number of stops that ships made at {town}?
    How many stops at {town} are told in all?
    Go through the text and count every stop of a ship at {town}.
    In total, how many times was {town} called at by a ship?
    How many landfalls at {town} does the text record?""",
    town=_TOWN,
)
HOW_MANY = Wordings(
    """How many different ships stopped at {town}?
    Count the distinct ships that called at {town}.
    What is the number of different ships that stopped at {town}?
    How many ships, each counted once, made a stop at {town}?
    By how many different ships was {town} visited?
    Leaving out repeats, how many ships stopped at {town}?
    How many separate ships does the text place at {town}?
    Of how many ships is it told that they stopped at {town}?""",
    town=_TOWN,
)
COUNT_RANGE = range(2, 12)


def _towns(rng: np.random.Generator, n: int) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < n:
        found[pick(rng, TOWN_STARTS) + pick(rng, TOWN_ENDS)] = None
    return list(found)


def _ships(rng: np.random.Generator, n: int) -> list[str]:
    names = sorted({name for name in COMPANY_STARTS if name.isalpha()})
    return [names[i] for i in rng.permutation(len(names))[:n].tolist()]


def _calls(draft: Draft, wordings: Wordings, distinct: bool) -> Task:
    """Calls at three towns, and near-misses at the one that is asked for."""
    rng = draft.rng
    towns, ships = _towns(rng, 3), _ships(rng, 14)
    wanted = int(rng.integers(COUNT_RANGE.start, COUNT_RANGE.stop))
    chosen = [ships[i] for i in rng.permutation(len(ships))[:wanted].tolist()]
    times = wanted + int(rng.integers(0, 7)) if distinct else wanted
    visits = [(ship, towns[0]) for ship in chosen]
    visits += [(pick(rng, chosen), towns[0]) for _ in range(times - wanted)]
    others = int(rng.integers(4, 12))
    visits += [(pick(rng, ships), pick(rng, towns[1:])) for _ in range(others)]
    statements = [CALLS.say(rng, ship=ship, town=town) for ship, town in visits]
    for _ in range(int(rng.integers(3, 8))):
        statements.append(NO_CALLS.say(rng, ship=pick(rng, ships), town=towns[0]))
    woven = weave(draft, statements, draft.room(), in_order=False)
    question = draft.say.question(wordings.texts, "number in digits", town=towns[0])
    return Task(woven.text, question, (str(wanted),), woven.spans[:times], woven.parts)


def _solve_calls(document: str, question: str, wordings: Wordings, distinct: bool) -> Answer:
    town = wordings.match(question)["town"]
    ships = [x.slots["ship"] for x in CALLS.read(document) if x.slots["town"] == town]
    return (str(len(set(ships)) if distinct else len(ships)),)


def _guess_count(question: str, rng: np.random.Generator) -> Answer:
    return (str(int(rng.integers(COUNT_RANGE.start, COUNT_RANGE.stop))),)


SALES = Wordings(
    """{who} sold {n} barrels.
    A lot of {n} barrels was sold by {who}.
    {n} barrels went out of the store of {who}.
    The day brought {who} a sale of {n} barrels.""",
    who=_PERSON,
    n=r"\d+",
)
OFFERS = Wordings(
    """{who} bought {n} barrels.
    {who} offered {n} barrels and found no buyer.
    {n} barrels of {who} were spoiled."""
)
TOP = Wordings(
    """Which {k} merchants sold the most barrels in all, the greatest seller first?
    Add up the barrels that each merchant sold. Who are the first {k}, from the most down?
    Rank the merchants by barrels sold in all and name the top {k}, in order.
    Who are the {k} greatest sellers of barrels, in order of their totals?
    Name, in falling order of barrels sold, the first {k} merchants.
    By the sum of all their sales of barrels, which {k} merchants lead, the first first?
    Total every merchant's sales of barrels; list the best {k} in order.
    The {k} merchants with the greatest totals of barrels sold are who, in order?""",
    k=r"\d",
)
N_MERCHANTS = 6


def _top(draft: Draft) -> Task:
    rng = draft.rng
    people: dict[str, None] = {}
    while len(people) < N_MERCHANTS:
        people[f"{pick(rng, FIRST_NAMES)} {pick(rng, SURNAMES)}"] = None
    totals: Counter[str] = Counter()
    sales: list[tuple[str, int]] = []
    for who in people:
        for _ in range(int(rng.integers(2, 7))):
            sales.append((who, int(rng.integers(3, 90))))
            totals[who] += sales[-1][1]
    if len(set(totals.values())) < N_MERCHANTS:
        raise UnfitError("two merchants sold as much")
    k = int(rng.integers(1, 4))
    statements = [SALES.say(rng, who=who, n=n) for who, n in sales]
    for _ in range(6):
        statements.append(OFFERS.say(rng, who=pick(rng, list(people)), n=rng.integers(3, 90)))
    woven = weave(draft, statements, draft.room(), in_order=False)
    answer = tuple(who for who, _ in totals.most_common(k))
    question = draft.say.question(TOP.texts, "names, separated by commas", k=k)
    return Task(woven.text, question, answer, woven.spans[: len(sales)], woven.parts)


def _solve_top(document: str, question: str) -> Answer:
    totals: Counter[str] = Counter()
    for found in SALES.read(document):
        totals[found.slots["who"]] += int(found.slots["n"])
    return tuple(who for who, _ in totals.most_common(int(TOP.match(question)["k"])))


def _guess_top(question: str, rng: np.random.Generator) -> Answer:
    k = int(TOP.match(question)["k"])
    return tuple(f"{pick(rng, FIRST_NAMES)} {pick(rng, SURNAMES)}" for _ in range(k))


MOVES = Wordings(
    """{who} paid {n} crowns into the chest.
    {who} took {n} crowns out of the chest.
    Into the chest went {n} crowns from {who}.
    Out of the chest came {n} crowns for {who}.""",
    who=_PERSON,
    n=r"\d+",
)
BALANCE = Wordings(
    """The chest was empty at first. How many crowns has {who} in it at the end?
    What is the balance of {who} in the chest, in crowns, after all payments?
    Add and subtract all that {who} paid in and took out: how many crowns are left?
    With how many crowns does {who} stand in the chest in the end?
    How many crowns of {who} remain in the chest?
    After every payment, how many crowns does the chest hold for {who}?
    Work out the balance of {who} in crowns.
    Of what {who} paid in, how many crowns are still there?""",
    who=_PERSON,
)


def _balance(draft: Draft) -> Task:
    """Payments in and withdrawals of three people; nobody is ever overdrawn."""
    rng = draft.rng
    people: dict[str, None] = {}
    while len(people) < 3:
        people[f"{pick(rng, FIRST_NAMES)} {pick(rng, SURNAMES)}"] = None
    who = next(iter(people))
    balance = dict.fromkeys(people, 0)
    told: list[tuple[str, str]] = []
    for _ in range(int(rng.integers(10, 22))):
        person = pick(rng, list(people))
        amount = int(rng.integers(5, 60))
        pays_in = balance[person] < amount or rng.random() < 0.5
        balance[person] += amount if pays_in else -amount
        texts = MOVES.texts[::2] if pays_in else MOVES.texts[1::2]
        told.append((person, pick(rng, texts).format(who=person, n=amount)))
    if not any(person == who for person, _ in told):
        raise UnfitError("the person asked for was not drawn")
    woven = weave(draft, [text for _, text in told], draft.room())
    spans = tuple(s for s, (person, _) in zip(woven.spans, told, strict=True) if person == who)
    question = draft.say.question(BALANCE.texts, "number in digits", who=who)
    return Task(woven.text, question, (str(balance[who]),), spans, woven.parts)


def _solve_balance(document: str, question: str) -> Answer:
    who, total = BALANCE.match(question)["who"], 0
    for found in MOVES.read(document):
        if found.slots["who"] == who:
            text = document[found.start : found.end].lower()
            total += int(found.slots["n"]) * (-1 if "out of the chest" in text else 1)
    return (str(total),)


FAMILIES = (
    Family(
        "count/times",
        "global",
        lambda draft: _calls(draft, HOW_OFTEN, distinct=False),
        lambda document, question: _solve_calls(document, question, HOW_OFTEN, False),
        _guess_count,
        1 / len(COUNT_RANGE),
    ),
    Family(
        "count/distinct",
        "global",
        lambda draft: _calls(draft, HOW_MANY, distinct=True),
        lambda document, question: _solve_calls(document, question, HOW_MANY, True),
        _guess_count,
        1 / len(COUNT_RANGE),
    ),
    Family("count/top", "global", _top, _solve_top, _guess_top, ordered=True),
    Family(
        "count/balance",
        "global",
        _balance,
        _solve_balance,
        lambda question, rng: (str(int(rng.integers(0, 150))),),
        1 / 100,
    ),
)
