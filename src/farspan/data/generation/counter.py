"""How many tokens a text has, without tokenising all of it: words are looked up.

Legend: u units (a word with the white space before it).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from farspan.models.tokenizer import Tokenizer

_UNIT = re.compile(r"\s*\S+|\s+$")
_PROBE = (
    'The blue kettle, which "Ann O\'Neil" bought in 1912, cost 3,450 pounds.\n\nIt was “old”.',
    "## Chapter 7\n\n  - an item\n\tdef f(x_1: int = 3):\n        return {'a': [x_1]}\n\n\n",
    "| otter | 12 |\n|---|---|\n| zébra—ünit | 0d9f1c3e-77ab | https://a.b/c?d=e#f |",
)
_CODES = (
    " uuids for 0d9f1c3e-77ab-4f0e-9a51-e2b1c0ffee42 is: ffee0123-aaaa-4bcd-8eef-00e1e2e3e4e5.",
    '"1e2f-33": "4a5b6c",\n| Anna-Lou 12 | x_1=3;y |\nVAR ABCDE = 12345. 1. otter\n22. well-known2',
    "\n\n09:13\n\nMe: it's 3,450.75 (say 7%), a1b2c3 isn't.",
)
"""Texts on which counting letters, digits and marks apart must be exact before it is done."""

_FINE = re.compile(r"'(?:[stmd]|re|ve|ll)| ?[A-Za-z]+| ?[^\sA-Za-z\d]+|\d|\s+")
_DIGIT = re.compile(r"\d")
MAX_KNOWN = 500_000
"""Words whose counts are kept; later ones are counted each time."""

LONGEST_KNOWN = 20
"""Characters; longer ones are counted each time."""


class TokenCounter:
    """Counts tokens by adding up those of words, where a probe shows that this is exact.

    Byte-level tokenizers split text at white space before they merge. For others, texts are
    tokenised whole. Not safe across threads.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._known: dict[str, int] = {}
        self._pieces: dict[str, int] = {}
        self._local = self._fine = True
        self._fine = all(self(text) == self._whole(text) for text in (*_PROBE, *_CODES))
        self._known.clear()
        self._local = all(self(text) == self._whole(text) for text in _PROBE)

    def __call__(self, text: str) -> int:
        """Tokens of a text read as ordinary characters."""
        if not self._local:
            return self._whole(text)
        return int(self._counts(_UNIT.findall(text)).sum())

    def each(self, texts: Sequence[str]) -> np.ndarray:
        """Tokens of each text by itself, int64 `[N]`."""
        if not self._local:
            return np.array([self._whole(text) for text in texts], dtype=np.int64)
        units = [_UNIT.findall(text) for text in texts]
        counts = self._counts([unit for found in units for unit in found])
        ends = np.cumsum([len(found) for found in units])
        sums = np.concatenate(([0], np.cumsum(counts)))
        return np.diff(sums[np.concatenate(([0], ends))])

    def places(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Ends of units in characters and in tokens from the start, both int64 `[U]`."""
        if not self._local:
            _, starts = self.tokenizer.encode_document(text)
            return starts, np.arange(len(starts), dtype=np.int64)
        units = _UNIT.findall(text)
        counts = self._counts(units)
        chars = np.fromiter(map(len, units), dtype=np.int64, count=len(units))
        return np.cumsum(chars), np.cumsum(counts)

    def _counts(self, units: list[str]) -> np.ndarray:
        known = self._known
        new = list({unit: None for unit in units if unit not in known})
        if new:
            known.update(zip(new, self._count_new(new), strict=True))
        counts = np.fromiter(map(known.__getitem__, units), dtype=np.int64, count=len(units))
        full = len(known) > MAX_KNOWN
        for unit in new:
            # Codes seldom come again; a million of them would drive out the words.
            if full or len(unit) > LONGEST_KNOWN:
                del known[unit]
        return counts

    def _count_new(self, units: list[str]) -> list[int]:
        """Tokens of units never seen: codes by their letters and digits, others by themselves."""
        if not self._fine:
            return self.tokenizer.counts(units)
        pieces = [_FINE.findall(x) if _is_code(x) else [x] for x in units]
        known = self._pieces
        if len(known) > MAX_KNOWN:
            known.clear()
        new = list({piece: None for found in pieces for piece in found if piece not in known})
        if new:
            known.update(zip(new, self.tokenizer.counts(new), strict=True))
        return [sum(map(known.__getitem__, found)) for found in pieces]

    def _whole(self, text: str) -> int:
        return len(self.tokenizer.encode(text, special=False))


def _is_code(unit: str) -> bool:
    """Whether a unit has digits among ASCII characters."""
    return unit.isascii() and _DIGIT.search(unit) is not None
