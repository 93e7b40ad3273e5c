"""A simulator of bAbI's tasks 1 to 10 (Weston et al. 2015, arXiv 1502.05698), and its file reader.

People walk, pick things up, put them down and hand them on; the question asks what follows. Unlike
the published files, every answer is equally likely, so that the chance of a constant is known.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from farspan.data.turns import pick
from farspan.errors import RequestError

PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
TOWN = ("bedroom", "cinema", "kitchen", "office", "park", "school")
THINGS = ("apple", "football", "milk")
PEOPLE = ("Mary", "John", "Daniel", "Sandra")
GIVERS = ("Bill", "Fred", "Jeff", "Mary")
TOWNSFOLK = ("Bill", "Fred", "Julie", "Mary")
DIRECTIONS = {"north": "south", "south": "north", "east": "west", "west": "east"}
COUNTS = ("none", "one", "two")
MAX_TRIES = 10_000


@dataclass(frozen=True)
class Story:
    """Facts in order, a question about them, and its answer, parts of it joined by commas."""

    facts: tuple[str, ...]
    question: str
    answer: str


@dataclass(frozen=True)
class Style:
    """Wordings of each kind of event; `{p}` person, `{q}` another, `{t}` thing, `{w}` where."""

    move: tuple[str, ...]
    take: tuple[str, ...]
    drop: tuple[str, ...]
    give: tuple[str, ...]
    where_is: str = "Where is {x}?"
    where_thing: str = "Where is the {x}?"
    before: str = "Where was the {t} before the {w}?"


PLAIN = Style(
    move=tuple(
        f"{{p}} {verb} to the {{w}}."
        for verb in ("moved", "went", "went back", "journeyed", "travelled")
    ),
    take=tuple(
        f"{{p}} {verb} the {{t}} there." for verb in ("got", "took", "picked up", "grabbed")
    ),
    drop=tuple(f"{{p}} {verb} the {{t}}." for verb in ("dropped", "discarded", "put down", "left")),
    give=tuple(f"{{p}} {verb} the {{t}} to {{q}}." for verb in ("gave", "passed", "handed")),
)
"""bAbI's own words."""

PARAPHRASED = Style(
    move=(
        "The {w} was where {p} turned up next.",
        "{p}'s steps led into the {w}.",
        "{p} could be seen entering the {w}.",
        "Soon afterwards the {w} had a visitor, {p}.",
    ),
    take=(
        "{p} now had the {t} in hand.",
        "The {t} found its way into {p}'s pocket.",
        "{p} made off with the {t}.",
    ),
    drop=(
        "The {t} stayed behind as {p} let go of it.",
        "{p} no longer wanted the {t} and set it aside.",
    ),
    give=("{q} was presented with the {t} by {p}.", "From {p} the {t} went over to {q}."),
    where_is="In which room would you look for {x}?",
    where_thing="In which room would you look for the {x}?",
    before="In which room had the {t} been when it was not yet in the {w}?",
)
"""The same events in words that the questions do not share."""


@dataclass
class World:
    """Who is where and has what, told fact by fact."""

    rng: np.random.Generator
    style: Style
    people: tuple[str, ...] = PEOPLE
    place: dict[str, str] = field(default_factory=dict)
    holder: dict[str, str] = field(default_factory=dict)
    lies: dict[str, str] = field(default_factory=dict)
    trail: dict[str, list[str]] = field(default_factory=dict)
    gifts: list[tuple[str, str, str]] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)

    def tell(self, wordings: Sequence[str], **words: str) -> None:
        """One more fact."""
        self.facts.append(pick(self.rng, wordings).format(**words))

    def person(self) -> str:
        """Somebody."""
        return pick(self.rng, self.people)

    def move(self, person: str | None = None) -> None:
        """Somebody goes elsewhere, with all that they carry."""
        person = person or self.person()
        where = pick(self.rng, [x for x in PLACES if x != self.place.get(person)])
        self.place[person] = where
        for thing in self.carried(person):
            self._was(thing, where)
        self.tell(self.style.move, p=person, w=where)

    def act(self) -> None:
        """Somebody takes, drops or hands on a thing; if nothing can be done, somebody walks."""
        person, thing = self.person(), pick(self.rng, THINGS)
        holder = self.holder.get(thing)
        if holder is None:
            self._take(person, thing)
        elif holder == person:
            self._drop(person, thing)
        else:
            self.move()

    def give(self) -> None:
        """Whoever has a thing hands it to somebody else."""
        if not self.holder:
            return self._take(self.person(), pick(self.rng, THINGS))
        thing = pick(self.rng, list(self.holder))
        giver = self.holder[thing]
        taker = pick(self.rng, [x for x in self.people if x != giver])
        self.holder[thing] = taker
        if taker in self.place:
            self._was(thing, self.place[taker])
        self.gifts.append((giver, thing, taker))
        return self.tell(self.style.give, p=giver, q=taker, t=thing)

    def carried(self, person: str) -> list[str]:
        """Things in the order in which they were taken."""
        return [thing for thing, holder in self.holder.items() if holder == person]

    def _take(self, person: str, thing: str) -> None:
        """Only where the thing lies, if that is known."""
        lies = self.lies.get(thing)
        if lies is not None and self.place.get(person) != lies:
            return self.move(person)
        self.holder[thing] = person
        self.lies.pop(thing, None)
        if person in self.place:
            self._was(thing, self.place[person])
        return self.tell(self.style.take, p=person, t=thing)

    def _drop(self, person: str, thing: str) -> None:
        del self.holder[thing]
        if person in self.place:
            self.lies[thing] = self.place[person]
        self.tell(self.style.drop, p=person, t=thing)

    def _was(self, thing: str, where: str) -> None:
        trail = self.trail.setdefault(thing, [])
        if not trail or trail[-1] != where:
            trail.append(where)


Told = tuple[list[str], str, str]
"""Facts, question, answer."""


def _where_person(world: World) -> Told | None:
    for _ in range(int(world.rng.integers(2, 11))):
        world.move()
    person = pick(world.rng, list(world.place))
    return world.facts, world.style.where_is.format(x=person), world.place[person]


def _walk_and_act(world: World, low: int, high: int) -> None:
    for _ in range(int(world.rng.integers(low, high))):
        (world.move if world.rng.random() < 0.6 else world.act)()


def _where_thing(world: World) -> Told | None:
    _walk_and_act(world, 3, 16)
    known = {t: self[-1] for t, self in world.trail.items()}
    if not known:
        return None
    thing = pick(world.rng, list(known))
    return world.facts, world.style.where_thing.format(x=thing), known[thing]


def _where_before(world: World) -> Told | None:
    _walk_and_act(world, 6, 24)
    trails = {t: x for t, x in world.trail.items() if len(x) > 1}
    if not trails:
        return None
    thing = pick(world.rng, list(trails))
    *_, before, now = trails[thing]
    return world.facts, world.style.before.format(t=thing, w=now), before


def _directions(world: World) -> Told | None:
    """Two places on opposite sides of a third."""
    middle, one, other = (PLACES[i] for i in world.rng.permutation(len(PLACES))[:3])
    way = pick(world.rng, list(DIRECTIONS))
    facts = [f"The {one} is {way} of the {middle}.", f"The {middle} is {way} of the {other}."]
    asked = world.rng.random()
    if asked < 0.5:
        question, answer = f"What is {way} of the {middle}?", one
    else:
        question, answer = f"What is the {middle} {way} of?", other
    return facts, question, answer


def _gifts(world: World) -> Told | None:
    for _ in range(int(world.rng.integers(2, 12))):
        draw = world.rng.random()
        (world.move if draw < 0.4 else world.give)()
    if not world.gifts:
        return None
    giver, thing, taker = world.gifts[-1]
    asked = int(world.rng.integers(5))
    # Questions that leave out a part are about the last gift of that thing, or between those two.
    return (
        world.facts,
        (
            f"What did {giver} give to {taker}?",
            f"Who gave the {thing} to {taker}?",
            f"Who did {giver} give the {thing} to?",
            f"Who gave the {thing}?",
            f"Who received the {thing}?",
        )[asked],
        (thing, giver, taker, giver, taker)[asked],
    )


def _is_there(world: World) -> Told | None:
    _walk_and_act(world, 2, 12)
    if not world.place:
        return None
    person = pick(world.rng, list(world.place))
    asked = pick(world.rng, PLACES)
    answer = "yes" if asked == world.place[person] else "no"
    return world.facts, f"Is {person} in the {asked}?", answer


def _how_many(world: World) -> Told | None:
    _walk_and_act(world, 3, 16)
    person = world.person()
    count = len(world.carried(person))
    if count >= len(COUNTS) or not any(person in fact for fact in world.facts):
        return None
    return world.facts, f"How many objects is {person} carrying?", COUNTS[count]


def _what_carries(world: World) -> Told | None:
    _walk_and_act(world, 3, 16)
    person = world.person()
    things = world.carried(person)
    if len(things) > 2 or not any(person in fact for fact in world.facts):
        return None
    return world.facts, f"What is {person} carrying?", ",".join(things) or "nothing"


def _negation(world: World) -> Told | None:
    """Where people are, and where they are not; only what is known is asked for."""
    known: dict[str, tuple[bool, str]] = {}
    for _ in range(int(world.rng.integers(2, 10))):
        person, where = world.person(), pick(world.rng, PLACES)
        kind = int(world.rng.integers(4))
        if kind == 0:
            world.facts.append(f"{person} is not in the {where}.")
        elif kind == 1:
            world.facts.append(f"{person} is no longer in the {where}.")
        elif kind == 2:
            world.facts.append(f"{person} is in the {where}.")
        else:
            world.tell(world.style.move, p=person, w=where)
        known[person] = (kind >= 2, where)
    person = pick(world.rng, list(known))
    there, where = known[person]
    asked = pick(world.rng, PLACES) if there else where
    answer = "yes" if there and asked == where else "no"
    return world.facts, f"Is {person} in the {asked}?", answer


def _maybe(world: World) -> Told | None:
    """Where people are, or in which of two places."""
    known: dict[str, tuple[str, ...]] = {}
    for _ in range(int(world.rng.integers(2, 10))):
        person = pick(world.rng, TOWNSFOLK)
        one, other = (TOWN[i] for i in world.rng.permutation(len(TOWN))[:2])
        kind = int(world.rng.integers(3))
        if kind == 0:
            world.facts.append(f"{person} is either in the {one} or the {other}.")
        elif kind == 1:
            world.facts.append(f"{person} is in the {one}.")
        else:
            world.tell(world.style.move, p=person, w=one)
        known[person] = (one, other) if kind == 0 else (one,)
    person = pick(world.rng, list(known))
    asked = pick(world.rng, TOWN)
    where = known[person]
    answer = "no" if asked not in where else ("maybe" if len(where) > 1 else "yes")
    return world.facts, f"Is {person} in the {asked}?", answer


_PAIRS = "two things"
_TASKS: dict[str, tuple[Callable[[World], Told | None], tuple[str, ...]]] = {
    "qa1": (_where_person, PLACES),
    "qa2": (_where_thing, PLACES),
    "qa3": (_where_before, PLACES),
    "qa4": (_directions, PLACES),
    "qa5": (_gifts, (*GIVERS, *THINGS)),
    "qa6": (_is_there, ("no", "yes")),
    "qa7": (_how_many, COUNTS),
    "qa8": (_what_carries, ("nothing", *THINGS, _PAIRS)),
    "qa9": (_negation, ("no", "yes")),
    "qa10": (_maybe, ("maybe", "no", "yes")),
}
SIMULATED = tuple(_TASKS)


def outcomes(task: str) -> tuple[str, ...]:
    """The answers of a simulated task, each as likely; any two things count as one."""
    return _TASKS[task][1]


def simulate(task: str, rng: np.random.Generator, style: Style = PLAIN) -> Story:
    """A story of a task, whose answer was drawn before anything happened."""
    tell, answers = _TASKS[task]
    wanted = pick(rng, answers)
    for _ in range(MAX_TRIES):
        told = tell(World(rng, style, GIVERS if task == "qa5" else PEOPLE))
        if told is not None and (told[2] == wanted or ("," in told[2] and wanted == _PAIRS)):
            return Story(tuple(told[0]), told[1], told[2])
    raise AssertionError(f"{task}: no story ends with {wanted}")


@cache
def read_babi(path: Path) -> tuple[Story, ...]:
    """The stories of a bAbI file, one for each question, with the facts before it.

    Raises `RequestError` for a file of another format.
    """
    stories: list[Story] = []
    facts: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = re.fullmatch(r"(\d+) ([^\t]+)(?:\t([^\t]+)\t[\d ]*)?", line)
        if match is None:
            raise RequestError(f"{path}, line {number}, is not as in bAbI files: {line[:60]!r}")
        if match[1] == "1":
            facts = []
        if match[3] is None:
            facts.append(match[2].strip())
        else:
            stories.append(Story(tuple(facts), match[2].strip(), match[3].strip()))
    if not stories:
        raise RequestError(f"{path} has no questions")
    return tuple(stories)


def find_babi(folder: Path, task: str) -> Path | None:
    """A task's file in a folder: the test file if there is one, else any other."""
    found = sorted(folder.glob(f"{task}_*.txt"), key=lambda x: ("test" not in x.name, x.name))
    return found[0] if found else None
