"""Documents prepared for generation: text with the place of every sentence in bytes and tokens.

All of it is mapped from files, so memory does not grow with the collection.
Legend: s stops; each has a byte, a character, a token, and whether a sentence ends there (1) or
the text may merely be cut (0).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from farspan.errors import RequestError

ABOUT, TEXT = "library.json", "text.utf8"
STOPS = ("stop_bytes.i64", "stop_chars.i64", "stop_tokens.i64", "stop_ends.i64")
"""A file for each column of the stops."""

VERSION = 1
CODE, PROSE = "code", "prose"
MOST_EMPTY = 20
"""Draws of text without a sentence before a stretch is left shorter than asked for."""

JOINT = "\n\n"
"""Between documents."""


@dataclass(frozen=True)
class Entry:
    """One document of a library: what to know about it, and its stops, `first` to `last`.

    `sections` are (stop, depth, title) of its headings; `kind` is `CODE` or `PROSE`.
    """

    id: str
    title: str
    kind: str
    licence: str
    source: str
    first: int
    last: int
    sections: tuple[tuple[int, int, str], ...] = ()


@dataclass(frozen=True)
class Part:
    """Characters `start` to `end` of a document of a sample, and the entry that they are from."""

    entry: int
    start: int
    end: int

    def shifted(self, by: int) -> Part:
        """The part in a text that has `by` characters more before it."""
        return Part(self.entry, self.start + by, self.end + by)


@dataclass(frozen=True)
class Stretch:
    """A text, the places in it where a sentence may be put (int64, rising, the end included),
    its tokens, and what it is taken from."""

    text: str
    stops: np.ndarray
    tokens: int
    parts: tuple[Part, ...]


class Library:
    """A prepared collection, opened from its folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        about = json.loads((self.folder / ABOUT).read_text(encoding="utf-8"))
        if about.get("version") != VERSION:
            raise RequestError(f"{folder} was prepared by another version; prepare it again")
        self.digest: str = about["digest"]
        self.entries = tuple(
            Entry(**{**row, "sections": tuple((n, d, t) for n, d, t in row["sections"])})
            for row in about["documents"]
        )
        self._text = np.asarray(np.memmap(self.folder / TEXT, dtype=np.uint8, mode="r"))
        self._byte_s, self._char_s, self._token_s, self._end_s = (
            np.asarray(np.memmap(self.folder / name, dtype=np.int64, mode="r")) for name in STOPS
        )

    @property
    def n_tokens(self) -> int:
        """Tokens of all documents."""
        return int(sum(self.tokens(i) for i in range(len(self.entries))))

    def tokens(self, entry: int) -> int:
        """Tokens of a document."""
        found = self.entries[entry]
        return int(self._token_s[found.last] - self._token_s[found.first])

    @cached_property
    def by_kind(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """For each kind the numbers of its entries, and their cumulated share of tokens."""
        found = {}
        for kind in (PROSE, CODE):
            members = [i for i, x in enumerate(self.entries) if x.kind == kind and self.tokens(i)]
            if members:
                sizes = np.array([self.tokens(i) for i in members], dtype=np.float64)
                found[kind] = (np.array(members), np.cumsum(sizes) / sizes.sum())
        return found

    def draw(self, rng: np.random.Generator, kind: str = PROSE) -> int:
        """The number of a random entry, longer ones more often."""
        if kind not in self.by_kind:
            raise RequestError(f"the documents hold no {kind}; add some to what you name")
        members, bounds = self.by_kind[kind]
        return int(members[min(int(np.searchsorted(bounds, rng.random())), len(members) - 1)])

    def between(self, first: int, last: int) -> str:
        """The text from one stop to another."""
        begin, end = int(self._byte_s[first]), int(self._byte_s[last])
        return self._text[begin:end].tobytes().decode("utf-8")

    def cut(self, entry: int, first: int, tokens: int) -> Stretch:
        """At most `tokens` tokens of a document from one of its stops on, whole sentences."""
        found = self.entries[entry]
        goal = int(self._token_s[first]) + tokens
        last = first + int(
            np.searchsorted(self._token_s[first : found.last + 1], goal, side="right")
        )
        last = max(last - 1, first)
        text = self.between(first, last)
        blank = len(text) - len(text.lstrip())
        inside = slice(first + 1, last + 1)
        stops = self._char_s[inside][self._end_s[inside] == 1] - int(self._char_s[first]) - blank
        used = int(self._token_s[last] - self._token_s[first])
        text = text[blank:]
        return Stretch(text, stops[stops > 0], used, (Part(entry, 0, len(text)),) if text else ())

    def take(self, rng: np.random.Generator, tokens: int, count: Callable[[str], int]) -> Stretch:
        """At most `tokens` tokens of prose, whole sentences, from as many documents as it takes.

        A document comes twice only when all have been read; `count` tells the tokens of a text.
        """
        pieces: list[Stretch] = []
        left, tries, seen = tokens, 0, set[int]()
        joint = count(JOINT)
        # What a small collection holds comes again; ends that are too short are given up.
        while left > 64 and tries < MOST_EMPTY:
            entry = self.draw(rng)
            for _ in range(8):
                if entry not in seen:
                    break
                entry = self.draw(rng)
            if entry in seen:
                seen.clear()
            seen.add(entry)
            piece = self.cut(entry, self._begin(rng, entry, left), left)
            if not len(piece.stops):
                tries += 1
                continue
            pieces.append(piece)
            left -= piece.tokens + joint
        return join_stretches(pieces, joint)

    def _begin(self, rng: np.random.Generator, entry: int, tokens: int) -> int:
        """A random stop, pulled back as far as the document needs to fill so many tokens."""
        found = self.entries[entry]
        token_s = self._token_s[found.first : found.last + 1]
        latest = int(np.searchsorted(token_s, int(token_s[-1]) - tokens))
        return found.first + int(rng.integers(0, latest + 1))


def join_stretches(pieces: Sequence[Stretch], joint_tokens: int, joint: str = JOINT) -> Stretch:
    """Stretches one after the other with a joint between them."""
    texts: list[str] = []
    stops: list[np.ndarray] = []
    parts: list[Part] = []
    at = tokens = 0
    for piece in pieces:
        if texts:
            texts.append(joint)
            at += len(joint)
            tokens += joint_tokens
        texts.append(piece.text)
        stops.append(piece.stops + at)
        parts += [part.shifted(at) for part in piece.parts]
        at += len(piece.text)
        tokens += piece.tokens
    places = np.concatenate(stops) if stops else np.zeros(0, dtype=np.int64)
    return Stretch("".join(texts), places, tokens, tuple(parts))
