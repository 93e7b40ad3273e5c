"""How many tokens a text has, without tokenising all of it: words are looked up.

Legend: u units (a word with the white space before it).
"""

from __future__ import annotations

import re

import numpy as np

from farspan.models.tokenizer import Tokenizer

_UNIT = re.compile(r"\s*\S+|\s+$")
_PROBE = (
    'The blue kettle, which "Ann O\'Neil" bought in 1912, cost 3,450 pounds.\n\nIt was “old”.',
    "## Chapter 7\n\n  - an item\n\tdef f(x_1: int = 3):\n        return {'a': [x_1]}\n\n\n",
    "| otter | 12 |\n|---|---|\n| zébra—ünit | 0d9f1c3e-77ab | https://a.b/c?d=e#f |",
)
MAX_KNOWN = 1_000_000
"""Words whose counts are kept; later ones are counted each time."""


class TokenCounter:
    """Counts tokens by adding up those of words, where a probe shows that this is exact.

    Byte-level tokenizers split text at white space before they merge. For others, texts are
    tokenised whole. Not safe across threads.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self._known: dict[str, int] = {}
        self._local = True
        self._local = all(self(text) == self._whole(text) for text in _PROBE)

    def __call__(self, text: str) -> int:
        """Tokens of a text read as ordinary characters."""
        if not self._local:
            return self._whole(text)
        units = _UNIT.findall(text)
        self._learn(units)
        return sum(map(self._known.__getitem__, units))

    def places(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        """Ends of units in characters and in tokens from the start, both int64 `[U]`."""
        if not self._local:
            _, starts = self.tokenizer.encode_document(text)
            return starts, np.arange(len(starts), dtype=np.int64)
        units = _UNIT.findall(text)
        self._learn(units)
        counts = np.fromiter(map(self._known.__getitem__, units), dtype=np.int64, count=len(units))
        chars = np.fromiter(map(len, units), dtype=np.int64, count=len(units))
        return np.cumsum(chars), np.cumsum(counts)

    def _learn(self, units: list[str]) -> None:
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        known = self._known
        new = list({unit: None for unit in units if unit not in known})
        if new:
            known.update(zip(new, self.tokenizer.counts(new), strict=True))

    def _whole(self, text: str) -> int:
        return len(self.tokenizer.encode(text, special=False))
