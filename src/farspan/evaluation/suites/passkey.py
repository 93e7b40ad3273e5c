"""The passkey task of Mohtashami & Jaggi 2023 (Landmark Attention, arXiv 2305.16300)."""

from __future__ import annotations

from farspan.data.needles import FILLER
from farspan.data.passkey import HEAD, KEY, LARGEST, PREFIX, QUESTION
from farspan.evaluation.encoder import join
from farspan.evaluation.samples import Draft, Question, Sample, Task, spread_depth
from farspan.evaluation.scoring import first_number

MAX_TOKENS = 16


def tasks() -> list[Task]:
    """The only task of the suite."""
    return [
        Task(
            name="passkey/passkey",
            make=_make,
            score=first_number,
            max_tokens=MAX_TOKENS,
            source="Mohtashami & Jaggi 2023, arXiv 2305.16300",
            constant="12345",
            chance=1 / LARGEST,
        )
    ]


def _make(draft: Draft) -> Sample:
    """Whole lines of filler with the key between two of them."""
    key = int(draft.rng.integers(1, LARGEST + 1))
    depth = spread_depth(draft.index)
    question = Question(
        text=QUESTION,
        answers=(str(key),),
        perfect=f" {key}.",
        prefix=PREFIX,
        about={"depth": depth},
    )
    head = draft.encode(HEAD)
    needle, line = draft.encode("\n" + KEY.format(key=key)), draft.encode("\n" + FILLER)
    room = draft.room(MAX_TOKENS, question, beside=[head, needle])
    n_lines = room // line.n_tokens
    first = round(depth * n_lines)
    body = join((line.times(first), needle, line.times(n_lines - first)))
    return Sample(head, body, (question,))
