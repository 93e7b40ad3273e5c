"""RULER's variable tracking (vt): which variables hold a value, through a chain of assignments.

Hsieh et al. 2024, arXiv 2404.06654: one chain of four hops in noise, after a
solved example of 500 tokens.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from farspan.data.needles import FILLER
from farspan.evaluation.encoder import Passage, join
from farspan.evaluation.samples import Draft, Question, Sample, Task
from farspan.evaluation.scoring import string_match_all
from farspan.evaluation.suites.ruler_needles import SOURCE

HOPS = 4
LETTERS, EXAMPLE_LETTERS = 5, 3
EXAMPLE_TOKENS = 500
MAX_TOKENS = 30
_HEAD = "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n"
_QUESTION = "Question: Find all variables that are assigned the value {value} in the text above."
_PREFIX = (
    " Answer: According to the chain(s) of variable assignment in the text above, {count}"
    " variables are assigned the value {value}, they are: "
)


def tasks() -> list[Task]:
    """The only task."""
    return [
        Task(
            name="ruler/vt",
            make=_make,
            score=string_match_all,
            max_tokens=MAX_TOKENS,
            source=SOURCE,
            constant="ABCDE FGHIJ",
        )
    ]


def _make(draft: Draft) -> Sample:
    example_names, example_chain, example = _chain(draft.rng, EXAMPLE_LETTERS)
    before = draft.encode(_HEAD)
    after = draft.encode(f"\n{example.text}{example.prefix}{' '.join(example_names)}\n\n{_HEAD}")
    beside = before.n_tokens + after.n_tokens
    shown = _hidden(draft, example_chain, EXAMPLE_TOKENS - beside)
    head = join((before, shown, after))
    _, chain, question = _chain(draft.rng, LETTERS)
    body = _hidden(draft, chain, draft.room(MAX_TOKENS, question, beside=[head]))
    return Sample(head, body, (question,))


def _chain(rng: np.random.Generator, letters: int) -> tuple[list[str], list[str], Question]:
    """Names, assignments in order, and the question for all names."""
    names: dict[str, None] = {}
    while len(names) < HOPS + 1:
        names[bytes(rng.integers(65, 91, size=letters, dtype=np.uint8)).decode()] = None
    found = list(names)
    value = str(int(rng.integers(10_000, 99_999)))
    lines = [f" VAR {found[0]} = {value}"]
    lines += [f" VAR {b} = VAR {a} " for a, b in pairwise(found)]
    question = Question(
        text=_QUESTION.format(value=value),
        answers=tuple(found),
        perfect=" ".join(found),
        prefix=_PREFIX.format(count=HOPS + 1, value=value),
    )
    return found, lines, question


def _hidden(draft: Draft, chain: list[str], room: int) -> Passage:
    """Noise lines with the assignments between them, in their order."""
    first, line = draft.encode(FILLER + "\n"), draft.encode(" " + FILLER + "\n")
    pieces = [draft.encode(text) for text in chain]
    left = room - sum(piece.n_tokens for piece in pieces) - first.n_tokens
    count = max(left // line.n_tokens + 1, 1)
    replace = count < len(pieces)
    places = np.sort(draft.rng.choice(count, size=len(pieces), replace=replace)).tolist()
    out, at = [first], 1
    for place, piece in zip(places, pieces, strict=True):
        out += [line.times(max(place - at, 0)), piece]
        at = max(at, place)
    return join([*out, line.times(count - at)])
