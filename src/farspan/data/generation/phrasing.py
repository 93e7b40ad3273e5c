"""How tasks are put to the model: lead-ins, questions and requests, some kept for evaluation."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from farspan.data.relations import lines
from farspan.data.turns import pick
from farspan.errors import RequestError

SPLITS = ("train", "test")

LEADS = lines(
    """Read the following text. A question follows at the end.
    Here is a long text. Afterwards I will ask you about it.
    Study the material below, then answer the question that follows it.
    Below is some material. Please read it with care.
    Use the text that follows to answer the question after it.
    I will give you a text and then a question about it.
    The answer to the question at the end can be found in what follows.
    Please go through this text; there is a question at its end.
    Context:
    Text:
    Take in what follows, however long it is, and answer the question below it.
    You are given a text followed by one question.
    Everything you need to know stands in these pages.
    Consider the material here before you reply to the question beneath it."""
)
REQUESTS = lines(
    """Answer with the {form} only.
    Give only the {form}.
    Reply with the {form} and nothing else.
    Just the {form}, please.
    Your reply should hold the {form} alone.
    State the {form} without any explanation.
    Write the {form}, no more.
    I only need the {form}.
    Respond with nothing but the {form}.
    Please confine yourself to the {form}."""
)


_REQUEST = re.compile(
    " (?:" + "|".join(re.escape(x).replace(re.escape("{form}"), ".+") for x in REQUESTS) + ")$"
)


def without_request(question: str) -> str:
    """A question without the request for a form of answer at its end."""
    return _REQUEST.sub("", question)


def part_of(texts: Sequence[str], split: str) -> Sequence[str]:
    """The wordings of a split: the last quarter, at least one, is kept for "test"."""
    kept = max(len(texts) // 4, 1)
    if len(texts) == 1:
        return texts
    return texts[-kept:] if split == "test" else texts[:-kept]


def check_split(split: str) -> None:
    """Raises `RequestError` for a split that is none."""
    if split not in SPLITS:
        raise RequestError(f"split is {split!r}; use one of {', '.join(SPLITS)}")


@dataclass(frozen=True)
class Phrasing:
    """Draws wordings of one split."""

    rng: np.random.Generator
    split: str = "train"

    def lead(self) -> str:
        """What stands before the document."""
        return pick(self.rng, part_of(LEADS, self.split))

    def question(self, texts: Sequence[str], form: str, **slots: object) -> str:
        """A question with a request for its form of answer ("number", "names, in order")."""
        asked = pick(self.rng, part_of(texts, self.split)).format(**slots)
        return f"{asked} {pick(self.rng, part_of(REQUESTS, self.split)).format(form=form)}"
