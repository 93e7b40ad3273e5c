"""What a row reads before the questions: slices of documents, filler, or needles all the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from farspan.data.corpus import Document, Shard
from farspan.data.needles import FILLER, NEEDLE, TYPES, random_key, random_value
from farspan.data.pieces import PieceEncoder

LONG_EVIDENCE = 400
"""Tokens from which on evidence is two places far apart, such as two headings."""

DrawDocument = Callable[[np.random.Generator], tuple[Shard, Document]]


@dataclass(frozen=True)
class Part:
    """A slice of a document, tokens `begin` to `end` of its shard, lying at `at` in a body."""

    shard: Shard
    document: Document
    begin: int
    end: int
    at: int


@dataclass(frozen=True)
class Body:
    """Tokens (int64 [T]) and `stop_n`, the rising indices where a sentence may be inserted.

    `parts` tells which documents the tokens come from, if any.
    """

    token_t: np.ndarray
    stop_n: np.ndarray
    parts: tuple[Part, ...] = ()

    def without_stops(self, spans: Sequence[tuple[int, int]]) -> Body:
        """The body with no stop strictly inside any of the spans."""
        keep = np.ones(len(self.stop_n), dtype=bool)
        for begin, end in spans:
            # A span that covers chapters, from one heading to the next, may be interrupted.
            if end - begin <= LONG_EVIDENCE:
                keep &= (self.stop_n <= begin) | (self.stop_n >= end)
        return replace(self, stop_n=self.stop_n[keep])


def text_body(
    rng: np.random.Generator, n_tokens: int, draw: DrawDocument, paragraph: np.ndarray
) -> Body:
    """Exactly `n_tokens` tokens of documents, joined by `paragraph` where one ends.

    One row of seven begins where its document begins, the others at the start of a sentence.
    """
    token_t = np.empty(n_tokens, dtype=np.int64)
    stops: list[np.ndarray] = []
    parts: list[Part] = []
    at = 0
    while at < n_tokens:
        if parts:
            joint = paragraph[: n_tokens - at]
            token_t[at : at + len(joint)] = joint
            at += len(joint)
        shard, document = draw(rng)
        sentences = shard.sentence_n[document.first_sentence : document.last_sentence]
        begin = document.begin
        if not parts and rng.random() > 1 / 7:
            # A start that leaves too little text is pulled back, so that rows seldom mix documents.
            latest = max(document.end - n_tokens, document.begin)
            wanted = int(rng.integers(document.begin, latest + 1))
            after = int(np.searchsorted(sentences, wanted))
            if after < len(sentences):
                begin = int(sentences[after])
        end = min(document.end, begin + n_tokens - at)
        if end <= begin:
            continue
        token_t[at : at + end - begin] = shard.token_t[begin:end]
        low, high = np.searchsorted(sentences, (begin + 1, end))
        stops.append(sentences[low:high].astype(np.int64) - begin + at)
        parts.append(Part(shard, document, begin, end, at))
        at += end - begin
    return Body(token_t, np.concatenate(stops), tuple(parts))


def filler_body(n_tokens: int, encode: PieceEncoder) -> Body:
    """Exactly `n_tokens` tokens of RULER's repeated sentences."""
    sentences = [part + "." for part in FILLER.rstrip(".").split(". ")]
    pieces = [encode(" " + sentence) for sentence in sentences]
    cycle = np.array([token for piece in pieces for token in piece], dtype=np.int64)
    inner = np.cumsum([len(piece) for piece in pieces])
    n_cycles = -(-n_tokens // len(cycle))
    stops = (np.arange(n_cycles)[:, None] * len(cycle) + inner[None, :]).ravel()
    return Body(np.resize(cycle, n_tokens), stops[stops < n_tokens])


def needle_body(
    rng: np.random.Generator, n_tokens: int, encode: PieceEncoder, asked: Sequence[str]
) -> Body:
    """Exactly `n_tokens` tokens of needles that nobody asks for; the last may be cut.

    Their values are of the type of those in `asked`, their keys are others.
    """
    kind = next(kind for kind in TYPES if f"magic {kind}s" in asked[0])
    taken = {re.split(r" for | is: ", statement)[1] for statement in asked}
    tokens: list[int] = []
    stops: list[int] = []
    while len(tokens) < n_tokens:
        key = random_key(rng, pair=True)
        if key in taken:
            continue
        tokens += encode(" " + NEEDLE.format(type=kind, key=key, value=random_value(rng, kind)))
        stops.append(len(tokens))
    stop_n = np.array(stops, dtype=np.int64)
    return Body(np.array(tokens[:n_tokens], dtype=np.int64), stop_n[stop_n < n_tokens])


def assemble(rng: np.random.Generator, body: Body, pieces: Sequence[Sequence[int]]) -> np.ndarray:
    """The body with pieces inserted in their order at random stops; int64.

    Without any stop in the body, the pieces stand at its end.
    """
    if not pieces:
        return body.token_t
    stops = body.stop_n if len(body.stop_n) else np.array([len(body.token_t)])
    repeat = len(pieces) > len(stops)
    places = np.sort(rng.choice(stops, size=len(pieces), replace=repeat))
    out: list[np.ndarray] = []
    at = 0
    for place, piece in zip(places.tolist(), pieces, strict=True):
        out += [body.token_t[at:place], np.array(piece, dtype=np.int64)]
        at = place
    out.append(body.token_t[at:])
    return np.concatenate(out)
