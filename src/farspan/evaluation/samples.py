"""What a suite makes and a model answers: documents, questions, tasks."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from farspan.errors import RequestError
from farspan.evaluation.encoder import Encoder, Passage
from farspan.evaluation.haystack import Haystack

QUESTION_STEP = 32
"""Room for a question is rounded up to this many tokens, so that documents are equally long."""


@dataclass(frozen=True)
class Question:
    """One question about a document.

    `text` is asked after the document and `joint`; `prefix`, if any, begins the answer and is not
    part of the reply. `answers` are what the task's metric looks for, `perfect` a reply that
    scores 1. `about` is kept with the result: `depth` in [0, 1], for example.
    """

    text: str
    answers: tuple[str, ...]
    perfect: str
    prefix: str = ""
    joint: str = "\n"
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """A document, read once, and the questions that are asked of it, each for itself.

    `head` are the instructions before the text `body`.
    """

    head: Passage
    body: Passage
    questions: tuple[Question, ...]

    @property
    def n_tokens(self) -> int:
        """Tokens of head and body."""
        return len(self.head.ids) + len(self.body.ids)


@dataclass(frozen=True)
class Draft:
    """What a task has to work with for one sample.

    `length` counts all tokens, as in RULER: document, question, answer and the `overhead` of the
    model's chat format. `index` numbers the samples of a task at a length.
    """

    rng: np.random.Generator
    length: int
    index: int
    encode: Encoder
    haystack: Haystack
    overhead: int = 0

    def room(self, max_tokens: int, *questions: Question, beside: Sequence[Passage] = ()) -> int:
        """Tokens left for the body beside other passages, the longest question and its answer.

        Raises `RequestError` if nothing is left.
        """
        asked = max(len(self.encode.ids(q.joint + q.text + q.prefix)) for q in questions)
        asked = -(-asked // QUESTION_STEP) * QUESTION_STEP
        taken = sum(len(passage.ids) for passage in beside) + asked + max_tokens + self.overhead
        if taken >= self.length:
            raise RequestError(
                f"{self.length} tokens do not hold this task, which takes {taken} beside its"
                " text; give a greater length"
            )
        return self.length - taken


@dataclass(frozen=True)
class Task:
    """One kind of sample with its metric.

    `score` gives 0 to 1 for a reply. `constant` is a reply that ignores the document and `chance`
    what it scores on average. `source` says where the definition is from. `missing` tells what a
    user has to give before the task can run. With `measures_loss` the questions name places of
    the body, `about["place"]`, whose next `about["span"]` tokens the model predicts, and the score
    is the mean loss in nats.
    """

    name: str
    make: Callable[[Draft], Sample]
    score: Callable[[str, Question], float]
    max_tokens: int
    source: str
    constant: str
    chance: float = 0.0
    missing: str = ""
    measures_loss: bool = False

    @property
    def suite(self) -> str:
        """The name before the stroke."""
        return self.name.split("/")[0]

    def sample(
        self,
        index: int,
        length: int,
        *,
        seed: int,
        encode: Encoder,
        haystack: Haystack,
        overhead: int = 0,
    ) -> Sample:
        """The sample of this number; the same arguments give the same sample."""
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode()), length, index])
        return self.make(Draft(rng, length, index, encode, haystack, overhead))


def spread_depth(index: int) -> float:
    """Depths that fill [0, 1] evenly however many are taken: 0, 1, 1/2, 1/4, 3/4, 1/8 ...

    The van der Corput sequence, its ends first, so that a longer run goes on where a shorter one
    stopped.
    """
    if index < 2:
        return float(index)
    depth, part, rest = 0.0, 0.5, index - 1
    while rest:
        rest, bit = divmod(rest, 2)
        depth, part = depth + bit * part, part / 2
    return depth
