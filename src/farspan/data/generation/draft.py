"""What a family works with for one sample, and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from farspan.data.generation.counter import TokenCounter
from farspan.data.generation.library import Library, Part, Stretch
from farspan.data.generation.phrasing import Phrasing
from farspan.data.needles import FILLER

LEVELS = ("local", "medium", "global")
RESERVE = 112
"""Tokens kept free for the lead-in, the question and a short answer."""

Answer = tuple[str, ...]


class UnfitError(Exception):
    """The drawn text or length does not hold this task; another draw may."""


@dataclass(frozen=True)
class Task:
    """A document, a question about it, and the exact answer.

    `answer` has one item or several; `evidence` are the spans of the document (characters) from
    which it follows; `parts` tells which library text the document holds.
    """

    document: str
    question: str
    answer: Answer
    evidence: tuple[tuple[int, int], ...]
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Draft:
    """One sample to be made: `length` tokens in all, with `overhead` for the chat format.

    A `bare` draft is for what others put into a text: `weave` gives its statements alone, one a
    line, in an order in which they may be told.
    """

    rng: np.random.Generator
    length: int
    library: Library
    count: TokenCounter
    say: Phrasing
    overhead: int = 0
    bare: bool = False

    def room(self, *beside: str) -> int:
        """Tokens left for the document beside other texts. Raises `UnfitError` if too few."""
        left = self.length - self.overhead - RESERVE - sum(map(self.count, beside))
        if left < 64:
            raise UnfitError(f"{self.length} tokens leave {left} for the document")
        return left

    def text(self, tokens: int) -> Stretch:
        """Prose of the library, at most so many tokens."""
        found = self.library.take(self.rng, tokens, self.count)
        if not len(found.stops):
            raise UnfitError("the drawn text has no sentences")
        return found

    def noise(self, tokens: int) -> Stretch:
        """RULER's repeated sentences, at most so many tokens."""
        line = FILLER + "\n"
        cost = self.count(line)
        times = max(tokens // cost, 1)
        inner = np.array([i + 1 for i, c in enumerate(FILLER) if c == "."], dtype=np.int64)
        stops = (np.arange(times)[:, None] * len(line) + inner[None, :]).ravel()
        return Stretch((line * times).rstrip("\n"), stops, cost * times, ())

    def haystack(self, tokens: int, noise: float = 0.15) -> Stretch:
        """Prose, or with the chance `noise` repeated sentences."""
        return self.noise(tokens) if self.rng.random() < noise else self.text(tokens)


@dataclass(frozen=True)
class Family:
    """A kind of task: how it is made, how a program solves it, how one guesses.

    `solve` gets the document and the question alone, `guess` the question alone; `floor` is how
    often the guess is right by chance. Answers count as sets unless `ordered`. `needs` names a
    kind of document the library must hold; `shortest` is the least length in tokens.
    """

    name: str
    level: str
    make: Callable[[Draft], Task]
    solve: Callable[[str, str], Answer]
    guess: Callable[[str, np.random.Generator], Answer]
    floor: float = 0.0
    ordered: bool = False
    needs: str = ""
    shortest: int = 1024
    source: str = "farspan's own"

    def right(self, found: Sequence[str], answer: Sequence[str]) -> bool:
        """Whether an answer is the expected one."""
        if self.ordered:
            return list(found) == list(answer)
        return sorted(found) == sorted(answer)


@dataclass(frozen=True)
class Woven:
    """Statements in a text: where each one stands, in the order in which they were given."""

    text: str
    spans: tuple[tuple[int, int], ...]
    parts: tuple[Part, ...] = ()
    tokens: int = field(default=0)


def weave(
    draft: Draft,
    statements: Sequence[str],
    room: int,
    *,
    in_order: bool = True,
    take: Callable[[int], Stretch] | None = None,
) -> Woven:
    """`statements` put between the sentences of a text so that all is at most `room` tokens.

    Their places are uniform over the text; `in_order` keeps their order, else they are shuffled.
    `take` gives the text for a number of tokens, by default `draft.haystack`.
    """
    if draft.bare:
        return _bare(draft, statements, in_order)
    costs = int(draft.count.each([" " + statement for statement in statements]).sum())
    if costs > 0.9 * room:
        raise UnfitError(f"{len(statements)} statements take {costs} of {room} tokens")
    stretch = (take or draft.haystack)(room - costs)
    places = random_places(draft.rng, stretch, len(statements))
    if not in_order:
        places = places[draft.rng.permutation(len(places))]
    woven = insert(stretch, statements, places)
    return Woven(woven.text, woven.spans, woven.parts, stretch.tokens + costs)


def _bare(draft: Draft, statements: Sequence[str], in_order: bool) -> Woven:
    n = len(statements)
    order = range(n) if in_order else draft.rng.permutation(n).tolist()
    spans = [(0, 0)] * n
    at = 0
    for index in order:
        spans[index] = (at, at + len(statements[index]))
        at += len(statements[index]) + 1
    return Woven("\n".join(statements[index] for index in order), tuple(spans))


def random_places(rng: np.random.Generator, stretch: Stretch, n: int) -> np.ndarray:
    """`n` places for a sentence, rising, uniform over the characters of a text."""
    goals = np.sort(rng.random(n)) * stretch.stops[-1]
    after = np.minimum(np.searchsorted(stretch.stops, goals), len(stretch.stops) - 1)
    before = np.maximum(after - 1, 0)
    nearer = goals - stretch.stops[before] < stretch.stops[after] - goals
    return stretch.stops[np.where(nearer, before, after)]


def insert(stretch: Stretch, statements: Sequence[str], places: np.ndarray) -> Woven:
    """Statements put in at places (characters); those at one place stand in the given order."""
    pieces: list[str] = []
    spans: list[tuple[int, int]] = [(0, 0)] * len(statements)
    order = np.argsort(places, kind="stable").tolist()
    at = length = 0
    for index in order:
        place = int(places[index])
        pieces += [stretch.text[at:place], " ", statements[index]]
        length += place - at + 1
        spans[index] = (length, length + len(statements[index]))
        length += len(statements[index])
        at = place
    pieces.append(stretch.text[at:])
    moved = np.sort(places)
    lengths = np.array([len(statements[i]) + 1 for i in order], dtype=np.int64)
    before = np.concatenate(([0], np.cumsum(lengths)))
    parts = tuple(
        Part(
            part.entry,
            part.start + int(before[np.searchsorted(moved, part.start, side="left")]),
            part.end + int(before[np.searchsorted(moved, part.end, side="right")]),
        )
        for part in stretch.parts
    )
    return Woven("".join(pieces), tuple(spans), parts)
