"""RULER's eight needle tasks (Hsieh et al. 2024, arXiv 2404.06654).

Settings as in the benchmark's published configuration. Two things differ, and are told in the
docs: the haystack of essays is the run's haystack, and there is no sentence tokenizer but the one
of `farspan.data.needles`.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from farspan.data.needles import FILLER
from farspan.data.words import ADJECTIVES, NOUNS
from farspan.evaluation.encoder import Passage, join
from farspan.evaluation.samples import Draft, Question, Sample, Task
from farspan.evaluation.scoring import joined, string_match_all

SOURCE = "Hsieh et al. 2024, arXiv 2404.06654, and its published configuration"
ANSWER_TOKENS = 128
DEPTHS = np.round(np.linspace(0, 100, 40)).astype(int)
"""Percentages from which the depths of needles in essays are drawn."""

_HEAD = "{Some} special magic {type} {are} hidden within the following text. Make sure to memorize \
it. I will quiz you about the {type} afterwards.\n"
_QUESTION = "What {are} the special magic {type} for {query} mentioned in the provided text?"
_PREFIX = " The special magic {type} for {query} mentioned in the provided text {are}"
_NEEDLE = "One of the special magic {type} for {key} is: {value}."

MAX_BLOCK = 256
"""Lines of needles that are tokenised at a time."""


@dataclass(frozen=True)
class Drawn:
    """Keys with their values and all needle sentences, in the order in which they are hidden."""

    keys: tuple[str, ...]
    values: dict[str, tuple[str, ...]]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Needles:
    """A task's settings, named as in RULER: types of keys and values, how many of each are hidden.

    `haystack` is `noise` (repeated sentences), `essay` (the run's text) or `needle` (other
    needles). `queries` keys are asked at once.
    """

    haystack: str = "essay"
    key_type: str = "words"
    value_type: str = "numbers"
    keys: int = 1
    values: int = 1
    queries: int = 1

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Distinct keys and their values."""
        keys: dict[str, tuple[str, ...]] = {}
        while len(keys) < max(self.keys, self.queries):
            values = tuple(_random(rng, self.value_type) for _ in range(self.values))
            keys[_random(rng, self.key_type)] = values
        sentences = [self.sentence(key, value) for key in keys for value in keys[key]]
        order = rng.permutation(len(sentences))
        return Drawn(tuple(keys), keys, tuple(sentences[i] for i in order))

    def sentence(self, key: str, value: str) -> str:
        """One needle."""
        return _NEEDLE.format(type=self.value_type, key=key, value=value)

    def words(self, query: str) -> dict[str, str]:
        """The words that fill the templates, in the singular where one value is asked for."""
        if self.values * self.queries == 1:
            one = {"Some": "A", "are": "is", "type": self.value_type.removesuffix("s")}
            return {**one, "query": query}
        return {"Some": "Some", "are": "are all", "type": self.value_type, "query": query}


SETTINGS = {
    "niah_single_1": Needles("noise"),
    "niah_single_2": Needles("essay"),
    "niah_single_3": Needles("essay", value_type="uuids"),
    "niah_multikey_1": Needles("essay", keys=4),
    "niah_multikey_2": Needles("needle"),
    "niah_multikey_3": Needles("needle", key_type="uuids", value_type="uuids"),
    "niah_multivalue": Needles("essay", values=4),
    "niah_multiquery": Needles("essay", queries=4),
}


def tasks() -> list[Task]:
    """The eight tasks."""
    return [_task(name, settings) for name, settings in SETTINGS.items()]


def _task(name: str, needles: Needles) -> Task:
    def make(draft: Draft) -> Sample:
        found = needles.draw(draft.rng)
        head, question = needle_question(draft, needles, found, {})
        body = _BODIES[needles.haystack](draft, needles, found, head, question)
        return Sample(head, body, (question,))

    return Task(
        name=f"ruler/{name}",
        make=make,
        score=string_match_all,
        max_tokens=ANSWER_TOKENS,
        source=SOURCE,
        constant="1234567",
    )


def needle_question(
    draft: Draft, needles: Needles, found: Drawn, about: dict[str, Any]
) -> tuple[Passage, Question]:
    """The instruction before the text, and the question for `needles.queries` of the keys."""
    chosen = draft.rng.permutation(len(found.keys))[: needles.queries]
    asked = [found.keys[i] for i in chosen]
    words = needles.words(joined(asked))
    answers = tuple(value for key in asked for value in found.values[key])
    single = words["are"]
    question = Question(
        text=_QUESTION.format(**words),
        answers=answers,
        perfect=f" {joined(answers)}.",
        prefix=_PREFIX.format(**{**words, "are": single.removesuffix(" all")}),
        about=about,
    )
    head = _HEAD.format(**{**words, "are": single.removesuffix(" all")})
    return draft.encode(head), question


def _in_essay(
    draft: Draft, needles: Needles, found: Drawn, head: Passage, question: Question
) -> Passage:
    """Needles between sentences at depths drawn without repetition from `DEPTHS`."""
    pieces = [draft.encode(" " + sentence) for sentence in found.sentences]
    body = draft.haystack.take(
        draft.rng, draft.room(ANSWER_TOKENS, question, beside=[head, *pieces])
    )
    depths = np.sort(draft.rng.choice(DEPTHS, size=len(pieces), replace=False)) / 100
    sentences = len(body.stops) - 1
    places = [int(body.stops[int(sentences * depth)]) for depth in depths]
    return body.with_inserted(places, pieces)


def _in_noise(
    draft: Draft, needles: Needles, found: Drawn, head: Passage, question: Question
) -> Passage:
    """The same line over and over, needles on lines of their own."""
    pieces = [draft.encode(sentence + "\n") for sentence in found.sentences]
    room = draft.room(ANSWER_TOKENS, question, beside=[head, *pieces])
    line = draft.encode(FILLER + "\n")
    count = room // line.n_tokens
    places = np.sort(draft.rng.choice(count, size=len(pieces), replace=False))
    out, at = [], 0
    for place, piece in zip(places.tolist(), pieces, strict=True):
        out += [line.times(place - at), piece]
        at = place
    return join([*out, line.times(count - at)])


def _among_needles(
    draft: Draft, needles: Needles, found: Drawn, head: Passage, question: Question
) -> Passage:
    """Lines that are needles themselves, for keys that nobody asks for."""
    pieces = [sentence + "\n" for sentence in found.sentences]
    room = draft.room(ANSWER_TOKENS, question, beside=[head, *map(draft.encode, pieces)])
    size = min(MAX_BLOCK, room // 32 + 1)
    blocks = _other_needles(draft, needles, found.keys, room, size)
    passages = [draft.encode("".join(block)) for block in blocks]
    for piece in pieces:
        place = int(draft.rng.integers(sum(map(len, blocks)) + 1))
        number, line = divmod(place, size)
        if number == len(blocks):
            blocks.append([])
            passages.append(draft.encode(""))
        blocks[number].insert(line, piece)
        passages[number] = draft.encode("".join(blocks[number]))
    return join(passages)


def _other_needles(
    draft: Draft, needles: Needles, taken: Sequence[str], room: int, size: int
) -> list[list[str]]:
    """As many lines as fit, in blocks of `size` (the last may be shorter)."""
    blocks: list[list[str]] = []
    while True:
        keys = [key for key in random_many(draft.rng, needles.key_type, size) if key not in taken]
        values = random_many(draft.rng, needles.value_type, len(keys))
        lines = [needles.sentence(*pair) + "\n" for pair in zip(keys, values, strict=True)]
        n_tokens = len(draft.encode.ids("".join(lines)))
        if n_tokens > room:
            break
        blocks.append(lines)
        room -= n_tokens
    fitting = int(np.searchsorted(np.cumsum(draft.encode.counts(lines)), room, side="right"))
    return [*blocks, lines[:fitting]]


def random_many(rng: np.random.Generator, kind: str, count: int) -> list[str]:
    """Keys or values of RULER's kinds: adjective-noun words, seven digits, UUIDs (version 4)."""
    if kind == "words":
        firsts = rng.integers(len(ADJECTIVES), size=count).tolist()
        seconds = rng.integers(len(NOUNS), size=count).tolist()
        pairs = zip(firsts, seconds, strict=True)
        return [f"{ADJECTIVES[first]}-{NOUNS[second]}" for first, second in pairs]
    if kind == "numbers":
        return [str(n) for n in rng.integers(1_000_000, 10_000_000, size=count).tolist()]
    assert kind == "uuids", kind
    return [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(count)]


def _random(rng: np.random.Generator, kind: str) -> str:
    return random_many(rng, kind, 1)[0]


_BODIES = {"essay": _in_essay, "noise": _in_noise, "needle": _among_needles}
