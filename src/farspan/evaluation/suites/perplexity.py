"""Perplexity by position: how well the next tokens are told after more and more text."""

from __future__ import annotations

from farspan.evaluation.encoder import Passage
from farspan.evaluation.samples import Draft, Question, Sample, Task

SPAN = 256
"""Tokens predicted at each place."""

FIRST = 256


def tasks() -> list[Task]:
    """The only task."""
    return [
        Task(
            name="perplexity/haystack",
            make=_make,
            score=lambda reply, question: float(reply),
            max_tokens=1,
            source="mean cross-entropy of 256 tokens at doubling places of the run's haystack",
            constant="",
            measures_loss=True,
        )
    ]


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
