"""Sentences made from templates, and the same templates read back from a text.

The maker of a task says a fact with one of several wordings; the program that solves it finds the
facts again by the wordings alone, without knowing what the maker drew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from farspan.data.relations import lines
from farspan.data.turns import capitalised, pick

SLOT = r"[^\s.,;:!?\"“”][^\n.,;:!?\"“”]{0,60}?"
"""What fills a slot by default: words within a sentence."""

_NAME = re.compile(r"\{(\w+)\}")
_BEFORE, _AFTER = 160, 320
"""Characters around a template's longest fixed part in which the rest of it must lie."""


@dataclass(frozen=True)
class Found:
    """A wording found in a text: its span in characters and what fills its slots."""

    start: int
    end: int
    slots: dict[str, str]


@dataclass(frozen=True)
class _Template:
    text: str
    pattern: re.Pattern[str]
    fixed: str
    """The longest part without slots."""

    @classmethod
    def make(cls, text: str, patterns: dict[str, str]) -> _Template:
        pieces, seen, at = [], set(), 0
        for match in _NAME.finditer(text):
            name = match[1]
            slot = f"(?P={name})" if name in seen else f"(?P<{name}>{patterns.get(name, SLOT)})"
            pieces += [re.escape(text[at : match.start()]), slot]
            seen.add(name)
            at = match.end()
        pieces.append(re.escape(text[at:]))
        fixed = max(_NAME.sub("\0", text).split("\0"), key=len)
        return cls(text, re.compile(r"(?<!\S)" + "".join(pieces)), fixed)

    def read(self, text: str) -> Iterator[Found]:
        at = text.find(self.fixed)
        while at >= 0:
            for match in self.pattern.finditer(text, max(at - _BEFORE, 0), at + _AFTER):
                if match.start() <= at < match.end():
                    yield Found(match.start(), match.end(), match.groupdict())
                    break
            at = text.find(self.fixed, at + 1)


class Wordings:
    """Several wordings of one fact or question, one a line, with {slots}.

    `patterns` are regular expressions of slots that are not plain words.
    """

    def __init__(self, text: str, /, **patterns: str) -> None:
        self.texts = lines(text)
        self._patterns = patterns

    @cached_property
    def _templates(self) -> list[_Template]:
        return [_Template.make(text, self._patterns) for text in self.texts]

    def say(self, rng: np.random.Generator, **slots: object) -> str:
        """One wording with its slots filled, its first letter in upper case."""
        return capitalised(pick(rng, self.texts).format(**slots))

    def read(self, text: str) -> list[Found]:
        """Every occurrence of any wording in a text, in order."""
        found = [item for template in self._templates for item in template.read(text)]
        return sorted(found, key=lambda item: (item.start, -item.end))

    def match(self, text: str) -> dict[str, str]:
        """The slots of a text that is one of the wordings from its start.

        Raises `ValueError` for other texts.
        """
        for template in self._templates:
            match = re.match(template.pattern.pattern + r"(?=\s|$)", text)
            if match is not None:
                return match.groupdict()
        raise ValueError(f"{text[:80]!r} is not worded as known")
