"""From where recall heads looked while answering to quotations of the document.

Axes: l recall layer, h head, t answer token, b block of stored tokens.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from farspan.apps.sentences import sentence_spans
from farspan.data.reader import Document, Part

BLOCK = 16
"""Stored tokens whose attention is summed: shorter than most sentences."""

MAX_CHARS = 300
MAX_CITATIONS = 3
_KEPT_BLOCKS = 32  # of each head and answer token
_PEAKS = 12
_ALIKE = 2.0  # A block must draw more than this many times what it draws from any token.
_WEAK = 0.1  # Below this share of the best score a quotation is left out.
_WORDS_COUNT = 2.0  # A sentence that has all words of question and answer counts three times.
_BESIDE = 0.25
_COMPANY = 0.4  # A neighbour of this share of the best sentence's rank is quoted with it.
_REACH = 600  # Characters around a block in which its sentences are looked for.
_WORD = re.compile(r"\w[\w'’-]*")


@dataclass(frozen=True)
class Citation:
    """A quotation: `text` is exactly characters `start` to `end` of the file's text.

    `line` counts from 1, `percent` is the place in the file, `score` the share in all that the
    answer's tokens looked at (see `Looks.scores`).
    """

    file: str
    start: int
    end: int
    line: int
    text: str
    score: float
    percent: float


class Looks:
    """Collects where the answer's tokens looked, among the first `n_blocks` blocks.

    Of each head only the most attended blocks are kept, so memory does not grow with the document.
    """

    def __init__(self, n_blocks: int) -> None:
        self.n_blocks = n_blocks
        self.mass_lhk: list[Tensor] = []
        self.block_lhk: list[Tensor] = []

    def add(self, mass: Sequence[Tensor]) -> None:
        """One answer token: attention `[1, 1, H, blocks]` of each recall layer."""
        if not mass:
            return
        seen = torch.stack([layer[0, -1, :, : self.n_blocks] for layer in mass])
        top = seen.topk(min(_KEPT_BLOCKS, seen.shape[-1]))
        self.mass_lhk.append(top.values.cpu())
        self.block_lhk.append(top.indices.cpu())

    def scores(self, neutral: Sequence[Tensor]) -> np.ndarray:
        """A score for each block, float64: squared attention, summed over heads and tokens.

        Squares count what heads agree on or are sure of. `neutral` is the attention
        `[1, T, H, blocks]` of tokens that ask nothing; what they look at is taken off.
        """
        total = torch.zeros(self.n_blocks, dtype=torch.float64)
        if not self.mass_lhk:
            return total.numpy()
        alike = torch.stack([layer[0, :, :, : self.n_blocks].mean(0) for layer in neutral]).cpu()
        for mass, block in zip(self.mass_lhk, self.block_lhk, strict=True):
            own = (mass - _ALIKE * alike.gather(-1, block)).clamp_min(0).double()
            total.index_add_(0, block.flatten(), own.square().flatten())
        return total.numpy()


@dataclass(frozen=True)
class _Candidate:
    start: int
    end: int
    part: Part
    attention: float
    rank: float


def cite(
    document: Document,
    starts: np.ndarray,
    n_prefix: int,
    scores: np.ndarray,
    words: str,
    *,
    block: int = BLOCK,
) -> tuple[Citation, ...]:
    """Up to three quotations, best first, from the scores of blocks of `block` stored tokens.

    `starts` are the first characters of the document's tokens, which stand behind `n_prefix`
    others. Among the sentences of a block, those that share rare words with `words` (question and
    answer) come first.
    """
    edges = _block_edges(starts, n_prefix, len(scores), block, len(document.text))
    inside = np.where(edges[1:] > edges[:-1], scores, 0.0)
    if not inside.any():
        return ()
    weights = _word_weights(words, document.text)
    peaks = np.argsort(-inside, kind="stable")[:_PEAKS]
    found = [
        candidate
        for peak in peaks
        if inside[peak] > _WEAK * inside.max() / 2
        for candidate in [_around(document, edges, inside, int(peak), weights)]
        if candidate is not None
    ]
    chosen: list[_Candidate] = []
    for candidate in sorted(found, key=lambda x: -x.rank):
        apart = all(x.end <= candidate.start or candidate.end <= x.start for x in chosen)
        if apart and (not chosen or candidate.attention >= _WEAK * chosen[0].attention):
            chosen.append(candidate)
    return tuple(_citation(document, x, float(inside.sum())) for x in chosen[:MAX_CITATIONS])


def _block_edges(
    starts: np.ndarray, n_prefix: int, n_blocks: int, block: int, length: int
) -> np.ndarray:
    """First characters of the blocks, and the end of the last, int64 [blocks + 1]."""
    tokens = np.arange(n_blocks + 1) * block - n_prefix
    places = np.append(starts, length)
    return places[np.clip(tokens, 0, len(starts))]


def _word_weights(words: str, text: str) -> dict[str, float]:
    """Words of question and answer with the logarithm of how rare each is in the text."""
    lower = text.lower()
    weights = {}
    for word in {found.lower() for found in _WORD.findall(words)}:
        if len(word) > 2 or word.isdigit():
            count = lower.count(word)
            if count:
                weights[word] = math.log1p(len(text) / count)
    return weights


def _around(
    document: Document,
    edges: np.ndarray,
    scores: np.ndarray,
    peak: int,
    weights: dict[str, float],
) -> _Candidate | None:
    """The best quotation at the block `peak` or beside it."""
    first, last = int(edges[peak]), int(edges[peak + 1])
    place = document.place(first) or document.place(last - 1)
    if place is None:
        return None
    part = place.part
    low, high = max(part.start, first - _REACH), min(part.start + part.length, last + _REACH)
    spans = sentence_spans(document.text, low, high)
    spread = _spread(scores)
    near = _touching(spans, int(edges[max(peak - 1, 0)]), int(edges[min(peak + 2, len(scores))]))
    if not near:
        return None

    def rank(span: tuple[int, int]) -> float:
        shared = _shared(document.text[span[0] : span[1]], weights)
        return _mass(edges, spread, *span) * (1 + _WORDS_COUNT * shared)

    best = max(near, key=lambda i: rank(spans[i]))
    span = spans[best]
    if span[1] - span[0] > MAX_CHARS:
        centre = (max(first, span[0]) + min(last, span[1])) // 2
        span = _cut(document.text, *span, min(max(centre, span[0]), span[1]))
    else:
        worth = [i for i in near if rank(spans[i]) >= _COMPANY * rank(span)]
        span = _widen(spans, best, worth)
    return _Candidate(*span, part, _mass(edges, scores, *span), rank(span))


def _touching(spans: list[tuple[int, int]], first: int, last: int) -> list[int]:
    return [i for i, (a, b) in enumerate(spans) if a < last and first < b]


def _spread(scores: np.ndarray) -> np.ndarray:
    """Scores that reach into the neighbouring blocks: heads look just before or behind, too."""
    beside = np.zeros_like(scores)
    beside[1:] += scores[:-1]
    beside[:-1] += scores[1:]
    return scores + _BESIDE * beside


def _widen(spans: list[tuple[int, int]], best: int, worth: list[int]) -> tuple[int, int]:
    """The sentence, with neighbours that are worth it as long as the quotation stays short."""
    first = last = best
    for i in sorted(worth, key=lambda i: abs(i - best)):
        low, high = min(first, i), max(last, i)
        if high - low == last - first + 1 and spans[high][1] - spans[low][0] <= MAX_CHARS:
            first, last = low, high
    return spans[first][0], spans[last][1]


def _cut(text: str, start: int, end: int, centre: int) -> tuple[int, int]:
    """At most `MAX_CHARS` of a long sentence around a place, from word to word."""
    low = max(start, min(centre - MAX_CHARS // 2, end - MAX_CHARS))
    high = min(end, low + MAX_CHARS)
    if low > start:
        space = re.search(r"\s", text[low:centre])
        low += space.end() if space else 0
    if high < end:
        space_before = max(text.rfind(mark, centre, high) for mark in " \n\t")
        high = space_before if space_before > centre else high
    piece = text[low:high]
    return low + len(piece) - len(piece.lstrip()), low + len(piece.rstrip())


def _mass(edges: np.ndarray, scores: np.ndarray, start: int, end: int) -> float:
    """Score in a range of characters; of a block that is partly inside, its part."""
    first = max(int(np.searchsorted(edges, start, side="right")) - 1, 0)
    last = min(int(np.searchsorted(edges, end, side="left")), len(scores))
    low, high = edges[first:last], edges[first + 1 : last + 1]
    inside = np.minimum(high, end) - np.maximum(low, start)
    share = np.clip(inside, 0, None) / np.maximum(high - low, 1)
    return float((share * scores[first:last]).sum())


def _shared(text: str, weights: dict[str, float]) -> float:
    """How much of the rarity of all words a sentence has, 0 to 1."""
    if not weights:
        return 0.0
    found = {word.lower() for word in _WORD.findall(text)}
    return sum(w for word, w in weights.items() if word in found) / sum(weights.values())


def _citation(document: Document, found: _Candidate, total: float) -> Citation:
    part = found.part
    start, end = found.start - part.start, found.end - part.start
    place = document.place(found.start)
    assert place is not None and place.offset == start, "a quotation lies in one file"
    return Citation(
        file=part.file,
        start=start,
        end=end,
        line=place.line,
        text=document.text[found.start : found.end],
        score=round(min(found.attention / total, 1.0), 4),
        percent=round(100 * start / part.length, 2),
    )
