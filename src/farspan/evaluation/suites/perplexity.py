"""Perplexity by position: how well the next tokens are told after more and more text."""

from __future__ import annotations

from farspan.errors import RequestError
from farspan.evaluation.encoder import Passage
from farspan.evaluation.samples import Draft, Question, Sample, Task

SPAN = 256
"""Tokens predicted at each place."""

FIRST = 256
SHORTEST_LONGPPL = 6144


def tasks() -> list[Task]:
    """By position, and over the tokens that long context helps."""
    return [
        Task(
            name="perplexity/haystack",
            make=_make,
            score=_loss,
            max_tokens=1,
            source="mean cross-entropy of 256 tokens at doubling places of the run's haystack",
            constant="",
            measures_loss=True,
        ),
        Task(
            name="perplexity/longppl",
            make=_make_long,
            score=_loss,
            max_tokens=1,
            source="Fang et al. 2025, arXiv 2410.23771, the package longppl; 8k to 32k",
            constant="",
            measures_loss=True,
        ),
    ]


def _loss(reply: str, question: Question) -> float:
    return float(reply)


def _make_long(draft: Draft) -> Sample:
    """A stretch of the haystack, long enough for LongPPL's short contexts of 4,096 tokens."""
    if draft.length < SHORTEST_LONGPPL:
        raise RequestError(f"LongPPL needs {SHORTEST_LONGPPL} tokens or more")
    body = draft.haystack.take(draft.rng, draft.length - draft.overhead).passage
    question = Question("", (), "0.0", about={"measure": "longppl"})
    return Sample(Passage("", body.ids[:0]), body, (question,))


def _make(draft: Draft) -> Sample:
    """A stretch of the haystack; places at 256, 512, 1024 ... and before its last 256 tokens."""
    room = draft.length - draft.overhead
    places, place = [], FIRST
    while place + SPAN < room:
        places.append(place)
        place *= 2
    places.append(max(room - SPAN, 0))
    body = draft.haystack.take(draft.rng, room).passage
    questions = tuple(
        Question("", (), "0.0", about={"place": place, "span": SPAN}) for place in places
    )
    nothing = Passage("", body.ids[:0])
    return Sample(nothing, body, questions)
