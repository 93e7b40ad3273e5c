"""Sentences of a text, and whether a quotation from it occurs only once."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

_SENTENCE_END = re.compile(
    r"(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bNo)(?<!\bvol)(?<!\bvs)(?<!\bMessrs)"
    r"(?<!\bCapt)(?<!\bCol)(?<!\bGen)(?<!\bRev)(?<!\bMme)(?<!\bMlle)(?<!\bU\.S)(?<!\b[A-Z])"
    r"[.!?][\"'”’)\]]{0,2}(?=(?: {1,2}[\"'“‘(]?[A-Z])|\n|$)"
)
_WORD = re.compile(r"[^\W_]+")
_GRAM = 4


def sentence_ends(text: str) -> np.ndarray:
    """Character positions just after a sentence's end, where white space follows; int64, rising."""
    return np.array([match.end() for match in _SENTENCE_END.finditer(text)], dtype=np.int64)


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end (characters) of each sentence that lies in one line."""
    begin = 0
    for match in _SENTENCE_END.finditer(text):
        end = match.end()
        line = text.rfind("\n", begin, end) + 1
        start = max(begin, line)
        while start < end and text[start] == " ":
            start += 1
        if start < end:
            yield start, end
        begin = end


class Quotable:
    """Tells whether a stretch of text is the only one of its wording, ignoring case and marks.

    A stretch counts as unique when four successive words of it occur nowhere else; the words are
    compared by 64-bit hashes, whose collisions can only make it look less unique.
    """

    def __init__(self, text: str) -> None:
        ids: dict[str, int] = {}
        starts, words = [], []
        for match in _WORD.finditer(text.lower()):
            starts.append(match.start())
            words.append(ids.setdefault(match[0], len(ids) + 1))
        self._start_n = np.array(starts, dtype=np.int64)
        word_n = np.array(words, dtype=np.uint64)
        n_grams = max(len(words) - _GRAM + 1, 0)
        hash_n = np.zeros(n_grams, dtype=np.uint64)
        for k in range(_GRAM if n_grams else 0):
            hash_n = hash_n * np.uint64(0x9E3779B97F4A7C15) + word_n[k : k + n_grams]
            hash_n ^= hash_n >> np.uint64(29)
        _, inverse, counts = np.unique(hash_n, return_inverse=True, return_counts=True)
        # How many grams before each one are unique, so that a range is asked in one look.
        once = (counts[inverse] == 1) if n_grams else np.zeros(0, dtype=bool)
        self._n_once = np.concatenate(([0], np.cumsum(once))).astype(np.int64)

    def unique(self, start: int, end: int) -> bool:
        """Whether `text[start:end]` holds four successive words found nowhere else."""
        first, last = np.searchsorted(self._start_n, (start, end))
        last = min(int(last) - _GRAM + 1, len(self._n_once) - 1)
        return last > first and bool(self._n_once[last] > self._n_once[first])
