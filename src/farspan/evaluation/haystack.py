"""The text that facts are hidden in: tokenised once, then cut at any place."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from farspan.data.needles import FILLER, sentence_starts
from farspan.errors import RequestError
from farspan.evaluation.encoder import Passage, join
from farspan.models.tokenizer import Tokenizer

BOOK = "book"
"""The haystack without a file: R. L. Stevenson, The Black Arrow (held out of training)."""

MIN_TOKENS = 1000


@dataclass(frozen=True)
class Body:
    """A stretch of text, and where a sentence may be put in, as rising indices of tokens.

    `starts` tells where each token starts in the text, with the text's length at the end.
    """

    passage: Passage
    starts: np.ndarray
    stops: np.ndarray

    def with_inserted(self, places: Sequence[int], pieces: Sequence[Passage]) -> Passage:
        """The text with pieces put in at places (indices of tokens, in any order)."""
        out: list[Passage] = []
        at = 0
        for index in np.argsort(places, kind="stable"):
            place = int(places[index])
            out += [self._slice(at, place), pieces[index]]
            at = place
        out.append(self._slice(at, len(self.passage.ids)))
        return join(out)

    def place(self, depth: float) -> int:
        """The stop nearest to a depth in [0, 1]."""
        wanted = round(depth * len(self.passage.ids))
        return int(self.stops[np.abs(self.stops - wanted).argmin()])

    def _slice(self, begin: int, end: int) -> Passage:
        text = self.passage.text[self.starts[begin] : self.starts[end]]
        return Passage(text, self.passage.ids[begin:end])


class Haystack:
    """A text with its tokens; `take` cuts stretches of any length, going round where it ends."""

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        self.text = text
        self.ids, self.starts = tokenizer.encode_document(text)
        if len(self.ids) < MIN_TOKENS:
            raise RequestError(
                f"the haystack has {len(self.ids)} tokens; give a text of {MIN_TOKENS} or more"
            )
        self._tokenizer = tokenizer

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @cached_property
    def stops(self) -> np.ndarray:
        """Indices of tokens that start a sentence, int64, rising."""
        inner = sentence_starts(self.ids, self._tokenizer)
        return inner[inner < len(self.ids)]

    def take(self, rng: np.random.Generator, n_tokens: int) -> Body:
        """`n_tokens` tokens from the start of a random sentence, round the end if need be."""
        begin = int(self.stops[rng.integers(len(self.stops))])
        total = len(self.ids)
        texts, ids, starts, stops = [], [], [], []
        at = chars = 0
        while at < n_tokens:
            end = min(total, begin + n_tokens - at)
            first = int(self.starts[begin])
            last = len(self.text) if end == total else int(self.starts[end])
            texts.append(self.text[first:last])
            ids.append(self.ids[begin:end])
            starts.append(self.starts[begin:end] - first + chars)
            low, high = np.searchsorted(self.stops, (begin, end))
            stops.append(self.stops[low:high] - begin + at)
            at, chars = at + end - begin, chars + last - first
            begin = 0
        passage = Passage("".join(texts), np.concatenate(ids))
        ends = np.array([chars])
        return Body(passage, np.concatenate((*starts, ends)), np.concatenate(stops))


def load_haystack(name: str, tokenizer: Tokenizer) -> Haystack:
    """A haystack by name: `book`, `filler` (RULER's repeated sentences), a file or a folder.

    Files are .txt and .md; a folder's are joined in the order of their names.
    """
    if name == BOOK:
        data = (Path(__file__).parent / "the-black-arrow.txt.gz").read_bytes()
        return Haystack(gzip.decompress(data).decode(), tokenizer)
    if name == "filler":
        return Haystack((FILLER + " ") * 400, tokenizer)
    path = Path(name)
    if not path.exists():
        raise RequestError(f"haystack {name!r} is not a file or folder; give one, or book, filler")
    from farspan.data.reader import read_documents

    paths = sorted(str(x) for x in path.rglob("*") if x.suffix in (".txt", ".md"))
    if path.is_dir() and not paths:
        raise RequestError(f"the folder {name} holds no .txt or .md files")
    return Haystack(read_documents(paths if path.is_dir() else [name]).text, tokenizer)
