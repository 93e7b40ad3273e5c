"""One needle in a haystack, at even depths; RULER's `niah_single_2` with its depth set.

Length × depth is the grid of the first test of this kind (Kamradt 2023); needle, question and
metric are RULER's (arXiv 2404.06654), so that the two suites agree.
"""

from __future__ import annotations

from farspan.evaluation.samples import Draft, Sample, Task, spread_depth
from farspan.evaluation.scoring import string_match_all
from farspan.evaluation.suites.ruler_needles import ANSWER_TOKENS, Needles, needle_question

_NEEDLES = Needles()


def tasks() -> list[Task]:
    """The only task of the suite."""
    return [
        Task(
            name="niah/single",
            make=_make,
            score=string_match_all,
            max_tokens=ANSWER_TOKENS,
            source="Kamradt 2023 (grid), Hsieh et al. 2024, arXiv 2404.06654 (needle and metric)",
            constant="1234567",
        )
    ]


def _make(draft: Draft) -> Sample:
    depth = spread_depth(draft.index)
    found = _NEEDLES.draw(draft.rng)
    head, question = needle_question(draft, _NEEDLES, found, {"depth": depth})
    needle = draft.encode(" " + found.sentences[0])
    room = draft.room(ANSWER_TOKENS, question, beside=[head, needle])
    body = draft.haystack.take(draft.rng, room)
    return Sample(head, body.with_inserted([body.place(depth)], [needle]), (question,))
