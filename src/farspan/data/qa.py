"""Questions extracted from real documents, correct by construction.

Every question goes by words that occur once in its document; its answer is a piece of the text.
"""

from __future__ import annotations

import numpy as np

from farspan.data.natural import natural_items
from farspan.data.natural_templates import NATURAL_TEMPLATES
from farspan.data.qa_prose import prose_items
from farspan.data.qa_structure import structure_items
from farspan.data.qa_templates import TEMPLATES
from farspan.data.sentences import Quotable
from farspan.data.turns import Item, pick

_WORDINGS = TEMPLATES | NATURAL_TEMPLATES

KINDS = tuple(_WORDINGS)
"""Kinds of questions, in the order of the codes in a prepared corpus."""

_SPACING = {
    "says": 600,
    "completion": 2000,
    "next_sentence": 4000,
    "number": 800,
    "year": 500,
    "how_many": 500,
    "name": 3000,
    "person": 1500,
}
"""Characters from one item of a frequent kind to the next."""


def extract_items(text: str, domain: str, *, natural: bool = False) -> list[Item]:
    """The questions of a document, in order of their evidence.

    `domain` decides which structures are looked for; unknown ones are read as plain prose.
    `natural` adds questions in other words than the text's, which need spaCy and take most of the
    time. Raises `RequestError` where spaCy is missing.
    """
    quotable = Quotable(text)
    found = [*structure_items(text, domain)]
    if domain != "reference":
        found += prose_items(text, quotable)
        if natural:
            found += natural_items(text, domain, quotable)
    found.sort(key=lambda item: (item.start, item.end, item.kind))
    last: dict[str, int] = {}
    kept = []
    for item in found:
        spacing = _SPACING.get(item.kind, 0)
        if item.start - last.get(item.kind, -spacing) >= spacing:
            last[item.kind] = item.start
            kept.append(item)
    return kept


def render(kind: str, slots: tuple[str, ...], rng: np.random.Generator) -> str:
    """An item's question in one of the wordings of its kind."""
    question = pick(rng, _WORDINGS[kind]).format(*slots).strip()
    return question[:1].upper() + question[1:]
