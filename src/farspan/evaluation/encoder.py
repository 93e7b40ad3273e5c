"""Text with its tokens; pieces of text are tokenised once a run and then looked up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from farspan.data.pieces import PieceEncoder
from farspan.models.tokenizer import Tokenizer

# What a byte-level tokenizer that takes digits one by one never merges across.
_UNIT = re.compile(r"'(?:[stmd]|re|ve|ll)| ?[A-Za-z]+| ?(?:[^\sA-Za-z\d])+|\d|\s")
_TWO_SPACES = re.compile(r"\s\s")
_PROBE = (
    'The blue kettle, which "Ann O\'Neil" bought in 1912, cost 3,450 pounds.',
    " She lives at 12 Mill Lane; isn't that far? Yes (very) far.",
    "1. otter 2. well-known 10. apple\n11. pear\nVAR ABCDE = 12345\nVAR XYZ = VAR ABCDE",
    " uuids for 0d9f1c3e-77ab-4f0e-9a51-e2b1c0ffee42 is: ffee0123-aaaa-4bcd-8eef-00e1e2e3e4e5.",
    "... qwerty ... zxcvbn asdfgh ...",
    "abc123 -> 9f8e7d\n012abc -> def456",
)
MAX_CACHED = 300_000
"""Pieces kept; later ones are tokenised each time."""


@dataclass(frozen=True)
class Passage:
    """A text and its tokens, uint32 `[T]`."""

    text: str
    ids: np.ndarray

    @property
    def n_tokens(self) -> int:
        """Tokens."""
        return len(self.ids)

    def times(self, count: int) -> Passage:
        """The passage `count` times over."""
        return Passage(self.text * count, np.tile(self.ids, count))


def join(passages: Iterable[Passage]) -> Passage:
    """The passages one after the other, each with the tokens it has by itself."""
    parts = list(passages)
    text = "".join(part.text for part in parts)
    ids = [part.ids for part in parts]
    return Passage(text, np.concatenate(ids) if ids else np.zeros(0, np.uint32))


class Encoder:
    """Tokenises texts, several times faster than the tokenizer where words repeat.

    A probe decides how finely this tokenizer's texts may be cut without changing their tokens:
    at words, marks and single digits, at single spaces, or not at all. Not safe across threads.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._words = PieceEncoder(tokenizer)
        self._units: dict[str, list[int]] = {}
        self._passages: dict[str, Passage] = {}
        self._fine = True
        self._fine = all(self.ids(text).tolist() == self._whole(text) for text in _PROBE)

    def __call__(self, text: str) -> Passage:
        """The text with its tokens."""
        return Passage(text, self.ids(text))

    def ids(self, text: str) -> np.ndarray:
        """Token ids of a text read as ordinary characters, uint32 `[T]`."""
        if self._fine and text.isascii() and _TWO_SPACES.search(text) is None:
            return self._looked_up(text)
        return np.array(self._words(text), dtype=np.uint32)

    def once(self, text: str) -> Passage:
        """The text with its tokens, remembered, for long texts that come again."""
        found = self._passages.get(text)
        if found is None:
            found = self._passages[text] = self(text)
        return found

    def counts(self, texts: Sequence[str]) -> np.ndarray:
        """How many tokens each text has by itself, int64 `[N]`."""
        return np.array([len(self.ids(text)) for text in texts], dtype=np.int64)

    def _looked_up(self, text: str) -> np.ndarray:
        units = _UNIT.findall(text)
        known = self._units
        for unit in set(units) - known.keys():
            known[unit] = self._whole(unit)
        ids = np.fromiter(chain.from_iterable(map(known.__getitem__, units)), dtype=np.uint32)
        if len(known) > MAX_CACHED:
            known.clear()
        return ids

    def _whole(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, special=False)
