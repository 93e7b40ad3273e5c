"""People and things on the move, after bAbI (Weston et al. 2015, arXiv 1502.05698), in books.

The facts come from `farspan.data.babi`; the program that solves them reads them back by their
wordings and walks through the events on its own. Coreference binds two sentences by a pronoun.
"""

from __future__ import annotations

import numpy as np

from farspan.data import babi
from farspan.data.generation.draft import Answer, Draft, Family, Task, UnfitError, weave
from farspan.data.generation.wordings import Found, Wordings
from farspan.data.turns import pick
from farspan.data.words import FIRST_NAMES

_WORD = r"\w+"
MOVES, TAKES, DROPS, GIFTS = (
    Wordings("\n".join((*a, *b)), p=_WORD, q=_WORD, t=_WORD, w=_WORD)
    for a, b in (
        (babi.PLAIN.move, babi.PARAPHRASED.move),
        (babi.PLAIN.take, babi.PARAPHRASED.take),
        (babi.PLAIN.drop, babi.PARAPHRASED.drop),
        (babi.PLAIN.give, babi.PARAPHRASED.give),
    )
)
WHERE = Wordings(
    """Where is {x} at the end?
    In which room is {x} in the end?
    Where would you look for {x} now?
    Which room holds {x} when all is told?
    After all that happened, in which place is {x}?
    What is the last known place of {x}?
    To which room must one go to find {x}?
    Where did {x} end up?""",
    x=r"(?:the )?\w+",
)
BEFORE = Wordings(
    """Where was the {x} before the {w}?
    In which room had the {x} been when it was not yet in the {w}?
    From where did the {x} come to the {w}?
    Which place held the {x} right before the {w} did?
    Before it got to the {w}, where was the {x}?
    The {x} came to the {w} last; which room was it in before that?
    What was the place of the {x} just before the {w}?
    Out of which room was the {x} brought to the {w}?""",
    x=_WORD,
    w=_WORD,
)
CARRIES = Wordings(
    """How many things is {x} carrying at the end?
    Count what {x} carries in the end. How many things are they?
    With how many things is {x} left?
    What number of things does {x} hold after all events?
    How many things does {x} have in hand when all is told?
    After everything, how many things are in the hands of {x}?
    How many objects does {x} carry now?
    Of how many things is {x} the holder in the end?""",
    x=_WORD,
)
_NUMBERS = {"none": "0", "one": "1", "two": "2"}


class _Scene:
    """Where everybody and everything is, as far as it was told."""

    def __init__(self, document: str) -> None:
        self.place: dict[str, str] = {}
        self.holder: dict[str, str] = {}
        self.trail: dict[str, list[str]] = {}
        events: list[tuple[str, Found]] = [("move", x) for x in MOVES.read(document)]
        events += [("take", x) for x in TAKES.read(document)]
        events += [("drop", x) for x in DROPS.read(document)]
        for kind, found in sorted(events, key=lambda event: event[1].start):
            getattr(self, kind)(found.slots)

    def move(self, slots: dict[str, str]) -> None:
        self.place[slots["p"]] = slots["w"]
        for thing, holder in self.holder.items():
            if holder == slots["p"]:
                self._came(thing, slots["w"])

    def take(self, slots: dict[str, str]) -> None:
        self.holder[slots["t"]] = slots["p"]
        if slots["p"] in self.place:
            self._came(slots["t"], self.place[slots["p"]])

    def drop(self, slots: dict[str, str]) -> None:
        self.holder.pop(slots["t"], None)

    def _came(self, thing: str, place: str) -> None:
        trail = self.trail.setdefault(thing, [])
        if trail[-1:] != [place]:
            trail.append(place)


def _story(draft: Draft, task: str) -> Task:
    rng = draft.rng
    style = babi.PARAPHRASED if rng.random() < 0.4 else babi.PLAIN
    story = babi.simulate(task, rng, style)
    woven = weave(draft, [fact[:1].upper() + fact[1:] for fact in story.facts], draft.room())
    asked = story.question.rstrip("?").split()
    if task == "qa7":
        # The name stands before "carrying".
        who = asked[asked.index("carrying") - 1]
        question = draft.say.question(CARRIES.texts, "number in digits", x=who)
        answer, about = _NUMBERS[story.answer], {who}
    elif task == "qa3":
        known = _Scene("\n".join(story.facts)).trail
        thing = next(t for t in known if t in asked)
        where = known[thing][-1]
        question = draft.say.question(BEFORE.texts, "name of the room", x=thing, w=where)
        answer, about = story.answer, {thing, where, story.answer}
    else:
        who = asked[-1]
        shown = who if task == "qa1" else f"the {who}"
        question = draft.say.question(WHERE.texts, "name of the room", x=shown)
        answer, about = story.answer, {who, story.answer}
    spans = tuple(
        span
        for span, fact in zip(woven.spans, story.facts, strict=True)
        if any(name in fact for name in about)
    )
    return Task(woven.text, question, (answer,), spans, woven.parts)


def _solve_where(document: str, question: str) -> Answer:
    name, scene = WHERE.match(question)["x"].removeprefix("the "), _Scene(document)
    return (scene.place[name] if name in scene.place else scene.trail[name][-1],)


def _solve_before(document: str, question: str) -> Answer:
    trail = _Scene(document).trail[BEFORE.match(question)["x"]]
    return (trail[-2],)


def _solve_carries(document: str, question: str) -> Answer:
    name = CARRIES.match(question)["x"]
    return (str(sum(holder == name for holder in _Scene(document).holder.values())),)


def _guess_room(question: str, rng: np.random.Generator) -> Answer:
    return (pick(rng, babi.PLACES),)


def _guess_other_room(question: str, rng: np.random.Generator) -> Answer:
    now = BEFORE.match(question)["w"]
    return (pick(rng, [place for place in babi.PLACES if place != now]),)


_HE = ("Albert", "Conrad", "Edgar", "Felix", "Gregor", "Hugo", "Ludwig", "Otto", "Rupert", "Viktor")
_SHE = ("Agnes", "Bertha", "Clara", "Edith", "Gerda", "Helga", "Ingrid", "Martha", "Olga", "Sophie")
PAIRS = Wordings(
    """{a} and {b} met in the {w}. Later {he} went to the {z}.
    {a} was waiting in the {w} when {b} came in. Soon {he} left for the {z}.
    In the {w}, {a} took leave of {b}. Then {he} walked to the {z}.
    {a} spoke with {b} in the {w}. Afterwards {he} was seen in the {z}.""",
    a=_WORD,
    b=_WORD,
    he="he|she",
    w=_WORD,
    z=_WORD,
)
LATER = Wordings(
    """Where is {x} after the meeting with {y}?
    In which room do you find {x} after the meeting with {y}?
    Where was {x} after being with {y}?
    After the encounter of {x} and {y}, where is {x}?
    In which place is {x} once {x} and {y} have met?
    {x} and {y} met. Where is {x} afterwards?
    Follow {x}: in which room is {x} after the meeting with {y}?
    When {x} and {y} had met, in which room was {x}?""",
    x=_WORD,
    y=_WORD,
)


def _coreference(draft: Draft) -> Task:
    """Meetings of a man and a woman; the pronoun tells who moves on, the other one stays."""
    rng = draft.rng
    n = int(rng.integers(4, 9))
    men, women = rng.permutation(len(_HE))[:n], rng.permutation(len(_SHE))[:n]
    meetings, facts = [], []
    for m, w in zip(men.tolist(), women.tolist(), strict=True):
        two = [_HE[m], _SHE[w]]
        first, second = (two[i] for i in rng.permutation(2).tolist())
        here, there = (babi.PLACES[i] for i in rng.permutation(len(babi.PLACES))[:2].tolist())
        mover = int(rng.integers(2))
        words = {"a": first, "b": second, "he": ("he", "she")[mover], "w": here, "z": there}
        facts.append(PAIRS.say(rng, **words))
        meetings.append((two[mover], two[1 - mover], here, there))
    woven = weave(draft, facts, draft.room(), in_order=False)
    mover_name, stayer, here, there = meetings[0]
    moved = rng.random() < 0.5
    x, y = (mover_name, stayer) if moved else (stayer, mover_name)
    question = draft.say.question(LATER.texts, "name of the room", x=x, y=y)
    answer = there if moved else here
    return Task(woven.text, question, (answer,), woven.spans[:1], woven.parts)


def _solve_coreference(document: str, question: str) -> Answer:
    asked = LATER.match(question)
    for found in PAIRS.read(document):
        slots = found.slots
        if {slots["a"], slots["b"]} == {asked["x"], asked["y"]}:
            his = _HE if slots["he"] == "he" else _SHE
            return (slots["z"] if asked["x"] in his else slots["w"],)
    raise ValueError("the two do not meet")


GIVERS = Wordings(
    """Who has the {t} in the end?
    In whose hands does the {t} end up?
    After all that was handed on, who holds the {t}?
    Who is the last to receive the {t}?
    With whom is the {t} when all is told?
    Follow the {t} from hand to hand. Who has it last?
    The {t} goes round: who keeps it?
    Name the last holder of the {t}.""",
    t=_WORD,
)
_RELICS = ("ring", "letter", "lantern", "dagger", "goblet", "locket", "compass", "violin")


def _gifts(draft: Draft) -> Task:
    """Three things that are handed from person to person."""
    rng = draft.rng
    names = [FIRST_NAMES[i] for i in rng.permutation(len(FIRST_NAMES))[:7].tolist()]
    things = [_RELICS[i] for i in rng.permutation(len(_RELICS))[:3].tolist()]
    holder = {thing: pick(rng, names) for thing in things}
    told = []
    for _ in range(int(rng.integers(6, 16))):
        thing = pick(rng, things)
        taker = pick(rng, [name for name in names if name != holder[thing]])
        told.append((thing, GIFTS.say(rng, p=holder[thing], t=thing, q=taker)))
        holder[thing] = taker
    handed = [thing for thing in things if any(t == thing for t, _ in told)]
    if not handed:
        raise UnfitError("nothing was handed on")
    thing = handed[0]
    woven = weave(draft, [text for _, text in told], draft.room())
    spans = tuple(s for s, (t, _) in zip(woven.spans, told, strict=True) if t == thing)
    question = draft.say.question(GIVERS.texts, "name", t=thing)
    return Task(woven.text, question, (holder[thing],), spans, woven.parts)


def _solve_gifts(document: str, question: str) -> Answer:
    thing = GIVERS.match(question)["t"]
    return ([x.slots["q"] for x in GIFTS.read(document) if x.slots["t"] == thing][-1],)


SOURCE = "after Weston et al. 2015, arXiv 1502.05698"
FAMILIES = (
    Family(
        "story/person",
        "medium",
        lambda draft: _story(draft, "qa1"),
        _solve_where,
        _guess_room,
        1 / 6,
        source=SOURCE,
    ),
    Family(
        "story/thing",
        "medium",
        lambda draft: _story(draft, "qa2"),
        _solve_where,
        _guess_room,
        1 / 6,
        source=SOURCE,
    ),
    Family(
        "story/before",
        "medium",
        lambda draft: _story(draft, "qa3"),
        _solve_before,
        _guess_other_room,
        1 / 5,
        source=SOURCE,
    ),
    Family(
        "story/carrying",
        "medium",
        lambda draft: _story(draft, "qa7"),
        _solve_carries,
        lambda question, rng: (str(int(rng.integers(3))),),
        1 / 3,
        source=SOURCE,
    ),
    Family(
        "story/coreference",
        "medium",
        _coreference,
        _solve_coreference,
        _guess_room,
        1 / 6,
        source=SOURCE,
    ),
    Family(
        "story/handed",
        "medium",
        _gifts,
        _solve_gifts,
        lambda question, rng: (pick(rng, FIRST_NAMES),),
        source=SOURCE,
    ),
)
