"""The levels of a text: document, sections, paragraphs, sentences, as spans of characters.

Legend: p paragraphs, s sentences, 2 start and end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from farspan.errors import RequestError

LEVELS = ("document", "section", "paragraph", "sentence")
_BLANK = re.compile(r"\n[ \t\r]*\n\s*")
_BLOCK = 1 << 20
"""Characters given to the sentence splitter at a time."""


@dataclass(frozen=True)
class Section:
    """A part under a heading, `depth` 1 being the outermost; it holds its subsections."""

    start: int
    end: int
    depth: int
    title: str


@dataclass(frozen=True)
class Levels:
    """A text and its levels; spans are rising, without white space around them.

    `paragraph_p2` and `sentence_s2` are int64.
    """

    text: str
    sections: tuple[Section, ...]
    paragraph_p2: np.ndarray
    sentence_s2: np.ndarray

    def spans(self, level: str) -> list[tuple[int, int]]:
        """The spans of a level in `LEVELS`."""
        if level == "document":
            return [(0, len(self.text))]
        if level == "section":
            return [(section.start, section.end) for section in self.sections]
        found = self.paragraph_p2 if level == "paragraph" else self.sentence_s2
        return [(int(a), int(b)) for a, b in found]


@dataclass(frozen=True)
class Heading:
    """Where a heading starts, how deep it is (1 the outermost) and what it says."""

    start: int
    depth: int
    title: str


def levels_of(text: str, headings: Sequence[Heading] = ()) -> Levels:
    """The levels of a text whose headings are known; paragraphs stand between blank lines.

    Sentences are split by sentencex within paragraphs.
    """
    paragraphs = paragraph_spans(text)
    sentences = sentence_spans(text, paragraphs)
    return Levels(text, nest(headings, len(text)), _pairs(paragraphs), _pairs(sentences))


def nest(headings: Sequence[Heading], end: int) -> tuple[Section, ...]:
    """Sections from headings: each lasts until the next heading that is not deeper."""
    found = []
    for i, heading in enumerate(headings):
        later = (x.start for x in headings[i + 1 :] if x.depth <= heading.depth)
        found.append(Section(heading.start, next(later, end), heading.depth, heading.title))
    return tuple(found)


def paragraph_spans(text: str) -> list[tuple[int, int]]:
    """Spans between blank lines, without the white space around them."""
    spans, at = [], 0
    for match in _BLANK.finditer(text):
        spans.append(_stripped(text, at, match.start()))
        at = match.end()
    spans.append(_stripped(text, at, len(text)))
    return [(a, b) for a, b in spans if a < b]


def sentence_spans(
    text: str, paragraphs: Sequence[tuple[int, int]] | None = None
) -> list[tuple[int, int]]:
    """Spans of sentences, none across paragraphs."""
    if paragraphs is None:
        paragraphs = paragraph_spans(text)
    boundaries = _splitter()
    spans = []
    for begin, end in _blocks(paragraphs):
        piece = text[begin:end]
        for found in boundaries("en", piece):
            a, b = _stripped(piece, found["start_index"], found["end_index"])
            if a < b:
                spans.append((begin + a, begin + b))
    return spans


def _blocks(paragraphs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbouring paragraphs joined to stretches of about `_BLOCK` characters."""
    blocks: list[tuple[int, int]] = []
    for begin, end in paragraphs:
        for a in range(begin, end, _BLOCK):
            b = min(a + _BLOCK, end)
            if blocks and b - blocks[-1][0] <= _BLOCK:
                blocks[-1] = (blocks[-1][0], b)
            else:
                blocks.append((a, b))
    return blocks


def _splitter() -> Callable[[str, str], list[dict[str, Any]]]:
    try:
        from sentencex import get_sentence_boundaries
    except ImportError as error:
        raise RequestError(
            "splitting sentences needs sentencex; pip install 'farspan[documents]'"
        ) from error
    return get_sentence_boundaries


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _pairs(spans: Sequence[tuple[int, int]]) -> np.ndarray:
    return np.array(spans, dtype=np.int64).reshape(-1, 2)
