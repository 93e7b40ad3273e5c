"""Fast tokenisation of short pieces: words are looked up, unknown ones are encoded once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np

_UNIT = re.compile(r" ?[^ ]+")
_PLAIN = re.compile(r" ?\S+(?: \S+)*")
_PROBE = (
    'The blue kettle, which "Ann O\'Neil" bought in 1912, cost 3,450 pounds.',
    " She lives at 12 Mill Lane; isn't that far? Yes (very) far.",
    " One of the special magic numbers for brave-otter is: 1234567.",
)
MAX_CACHED = 300_000
"""Words kept; later words are encoded each time."""


class TextTokenizer(Protocol):
    """What the data package needs of `farspan.models.tokenizer.Tokenizer`."""

    def encode(self, text: str, special: bool = True) -> list[int]:
        """Token ids of a text; with `special`, control tokens are recognised."""
        ...

    def decode(self, ids: Sequence[int], skip_special: bool = True) -> str:
        """Text of tokens."""
        ...


class PieceEncoder:
    """Encodes short texts by looking up words, several times faster than the tokenizer.

    A byte-level tokenizer splits at each single space before it merges, so the tokens of a
    text are those of its words, each with its leading space. Where a probe shows that this
    tokenizer does otherwise, every text is encoded whole. Not safe across threads.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self.tokenizer = tokenizer
        self._units: dict[str, list[int]] = {}
        self._local = True
        self._local = all(self(text) == self._whole(text) for text in _PROBE)

    def _whole(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, special=False))

    def __call__(self, text: str) -> list[int]:
        """Token ids of `text` read as ordinary characters; the list is the caller's."""
        if not self._local or _PLAIN.fullmatch(text) is None:
            return self._whole(text)
        ids: list[int] = []
        known = self._units
        for unit in _UNIT.findall(text):
            found = known.get(unit)
            if found is None:
                found = self._whole(unit)
                if len(known) < MAX_CACHED:
                    known[unit] = found
            ids += found
        return ids

    def array(self, text: str) -> np.ndarray:
        """`self(text)` as int64 [T]."""
        return np.array(self(text), dtype=np.int64)
