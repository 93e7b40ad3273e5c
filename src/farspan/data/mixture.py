"""Training rows for document reading: a document with hidden facts, then questions and answers.

Legend: b rows, t tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from farspan.data.bodies import (
    LONG_EVIDENCE,
    Body,
    assemble,
    filler_body,
    needle_body,
    text_body,
)
from farspan.data.corpus import Corpus, Document, Shard
from farspan.data.facts import fact_set
from farspan.data.needles import needle_set
from farspan.data.pieces import PieceEncoder, TextTokenizer
from farspan.data.qa import KINDS, render
from farspan.data.turns import Dialogue, Inserted, Turn
from farspan.errors import RequestError

ROW_KINDS = (
    "needles_in_text",
    "needles_in_filler",
    "needles_in_needles",
    "facts_in_text",
    "facts_in_filler",
    "questions",
    "mixed",
)
NATURAL = np.array([kind.startswith("natural") for kind in KINDS])
"""Which kinds of extracted questions are asked in other words than the text's."""

RARITY = 0.75
"""How strongly rare kinds of extracted questions are preferred: 0 not at all, 1 all kinds alike."""

MIN_TAIL = 160
"""Tokens that hold one turn of every kind."""


def _row_weights() -> Mapping[str, float]:
    return {
        "needles_in_text": 0.10,
        "needles_in_filler": 0.04,
        "needles_in_needles": 0.03,
        "facts_in_text": 0.18,
        "facts_in_filler": 0.02,
        "questions": 0.48,
        "mixed": 0.15,
    }


def _domain_weights() -> Mapping[str, float]:
    return {
        "book": 0.56,
        "reference": 0.07,
        "legal": 0.07,
        "textbook": 0.17,
        "speech": 0.07,
        "technical": 0.03,
        "text": 0.62,
    }


@dataclass(frozen=True)
class MixtureConfig:
    """Shares of row kinds and domains (need not add up to 1), and loss weights.

    `natural_share` of the questions extracted from a row's text are in other words than the
    text's, as far as there are such. `answer_weight` is for the tokens of an answer and the token
    that closes it, `question_weight` for those of a question. Within a domain, documents are drawn
    by length.
    Raises `RequestError` for unknown row kinds and negative shares.
    """

    row_weights: Mapping[str, float] = field(default_factory=_row_weights)
    domain_weights: Mapping[str, float] = field(default_factory=_domain_weights)
    answer_weight: float = 1.0
    question_weight: float = 0.02
    max_needles: int = 16
    natural_share: float = 0.65

    def __post_init__(self) -> None:
        unknown = set(self.row_weights) - set(ROW_KINDS)
        if unknown:
            raise RequestError(
                f"row kind {min(unknown)!r} is unknown; use one of {', '.join(ROW_KINDS)}"
            )
        shares = [*self.row_weights.values()]
        if min(shares, default=0.0) < 0 or sum(shares) <= 0:
            raise RequestError("row weights must not be negative nor all zero")
        if self.max_needles < 1:
            raise RequestError(f"max_needles is {self.max_needles}; give at least 1")
        if not 0 <= self.natural_share <= 1:
            raise RequestError(f"natural_share is {self.natural_share}; give 0 to 1")


@dataclass(frozen=True)
class ReadRows:
    """Rows of equal length. Token t has loss weight `weight_bt[:, t]` *as a target*.

    `token_bt` int64, `weight_bt` float32, `valid_bt` bool (False for padding at the end). The
    last `tail_tokens` positions hold everything asked. `kinds` and `turns` tell, row by row, the
    row kind and the questions in order.
    """

    token_bt: np.ndarray
    weight_bt: np.ndarray
    valid_bt: np.ndarray
    tail_tokens: int
    kinds: tuple[str, ...]
    turns: tuple[tuple[Turn, ...], ...]


class RowSampler:
    """Draws training rows from a corpus; the same (seed, step) always gives the same rows."""

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: TextTokenizer,
        format: Dialogue,
        seed: int,
        config: MixtureConfig | None = None,
    ) -> None:
        self.config = config or MixtureConfig()
        self._seed = seed
        self._encode = PieceEncoder(tokenizer)
        self._places = corpus.places
        self._head = np.array(tokenizer.encode(format.before_document), dtype=np.int64)
        self._first_question = tokenizer.encode(format.before_question)
        self._next_question = tokenizer.encode(format.before_next_question)
        self._before_answer = tokenizer.encode(format.before_answer)
        self._after_answer = tokenizer.encode(format.after_answer)
        self._paragraph = self._encode.array("\n\n")
        self._row_kinds = [kind for kind in ROW_KINDS if self.config.row_weights.get(kind)]
        shares = np.array([self.config.row_weights[kind] for kind in self._row_kinds])
        self._row_bounds = np.cumsum(shares / shares.sum())
        self._bounds = np.cumsum(self._document_shares())

    def _document_shares(self) -> np.ndarray:
        """How often a row begins in each document; float64, sums to 1."""
        domains = [document.domain for _, document in self._places]
        sizes = np.array([document.n_tokens for _, document in self._places], dtype=np.float64)
        shares = np.zeros_like(sizes)
        for domain in dict.fromkeys(domains):
            members = np.array([d == domain for d in domains])
            weight = self.config.domain_weights.get(domain, 0.0)
            shares[members] = weight * sizes[members] / sizes[members].sum()
        if shares.sum() <= 0:
            raise RequestError(
                f"no weight is given to the domains of this corpus ({', '.join(set(domains))})"
            )
        return shares / shares.sum()

    def _rng(self, stream: int, step: int, row: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, stream, step, row])

    def _document(self, rng: np.random.Generator) -> tuple[Shard, Document]:
        index = int(np.searchsorted(self._bounds, rng.random(), side="right"))
        return self._places[min(index, len(self._places) - 1)]

    def read_batch(self, step: int, n_rows: int, row_tokens: int, tail_tokens: int) -> ReadRows:
        """Rows of `row_tokens` tokens, the last `tail_tokens` of them for questions and answers.

        The first part of a row is `before_document` and a document that fills it exactly. Raises
        `RequestError` when the tail is shorter than `MIN_TAIL` or leaves the document no room.
        """
        room = row_tokens - tail_tokens - len(self._head)
        if tail_tokens < MIN_TAIL or room < 2 * tail_tokens // 3 + 64:
            raise RequestError(
                f"rows of {row_tokens} tokens with a tail of {tail_tokens} do not work; give a "
                f"tail of at least {MIN_TAIL} and rows of at least twice the tail"
            )
        token_bt = np.zeros((n_rows, row_tokens), dtype=np.int64)
        weight_bt = np.zeros((n_rows, row_tokens), dtype=np.float32)
        valid_bt = np.ones((n_rows, row_tokens), dtype=bool)
        kinds, turns = [], []
        for b in range(n_rows):
            rng = self._rng(0, step, b)
            bound = int(np.searchsorted(self._row_bounds, rng.random(), side="right"))
            kind = self._row_kinds[min(bound, len(self._row_kinds) - 1)]
            document, candidates = self._read_part(kind, rng, room, tail_tokens)
            asked, tail, weights = self._tail(candidates, tail_tokens)
            begin = row_tokens - tail_tokens
            token_bt[b, : len(self._head)] = self._head
            token_bt[b, len(self._head) : begin] = document
            token_bt[b, begin : begin + len(tail)] = tail
            weight_bt[b, begin : begin + len(tail)] = weights
            valid_bt[b, begin + len(tail) :] = False
            kinds.append(kind)
            turns.append(asked)
        return ReadRows(token_bt, weight_bt, valid_bt, tail_tokens, tuple(kinds), tuple(turns))

    def text_batch(self, step: int, n_rows: int, row_tokens: int) -> ReadRows:
        """Rows of plain text of the corpus, all tokens of weight 1, nothing asked."""
        rows = [
            text_body(self._rng(1, step, b), row_tokens, self._document, self._paragraph).token_t
            for b in range(n_rows)
        ]
        token_bt = np.stack(rows)
        return ReadRows(
            token_bt,
            np.ones(token_bt.shape, dtype=np.float32),
            np.ones(token_bt.shape, dtype=bool),
            0,
            ("text",) * n_rows,
            ((),) * n_rows,
        )

    def batches(
        self, n_rows: int, row_tokens: int, tail_tokens: int, first_step: int = 0
    ) -> Iterator[ReadRows]:
        """`read_batch` of every step from `first_step` on, without end."""
        step = first_step
        while True:
            yield self.read_batch(step, n_rows, row_tokens, tail_tokens)
            step += 1

    def _read_part(
        self, kind: str, rng: np.random.Generator, room: int, tail_tokens: int
    ) -> tuple[np.ndarray, list[Turn]]:
        """The document of a row (int64 [room]) and the turns to ask, in order of asking."""
        inserted = self._insertions(kind, rng, room, tail_tokens)
        pieces = [self._encode(" " + text) for text in inserted.statements]
        n_inserted = sum(map(len, pieces))
        turns = list(inserted.turns)
        if kind == "needles_in_needles":
            body = needle_body(rng, room - n_inserted, self._encode, inserted.statements)
        elif kind.endswith("filler"):
            body = filler_body(room - n_inserted, self._encode)
        else:
            body = text_body(rng, room - n_inserted, self._document, self._paragraph)
            n_wanted = max(0, tail_tokens // 32 - len(turns))
            found = self._questions(body, rng, n_wanted)
            body = body.without_stops([span for _, span in found])
            turns += [turn for turn, _ in found]
        turns = [turns[int(i)] for i in rng.permutation(len(turns))]
        return assemble(rng, body, pieces), turns

    def _insertions(
        self, kind: str, rng: np.random.Generator, room: int, tail_tokens: int
    ) -> Inserted:
        """What a row hides: at most a third of the room, and about what the tail can ask."""
        n_fit = max(1, min(tail_tokens // 40, room // 120))
        n_facts = n_needles = 0
        if kind.startswith("needles"):
            n_needles = int(rng.integers(1, self.config.max_needles + 1))
        elif kind == "facts_in_filler":
            n_facts = int(rng.integers(1, n_fit + 1))
        elif kind == "facts_in_text":
            n_facts = int(rng.integers(max(1, n_fit // 3), n_fit + 1))
        elif kind == "questions":  # some documents have no questions of their own
            n_facts = int(rng.integers(1, 4))
        elif kind == "mixed":
            n_needles = int(rng.integers(1, 5))
            n_facts = int(rng.integers(1, max(2, n_fit // 2)))
        n_needles = min(n_needles, n_fit)
        parts = []
        if n_needles:
            parts.append(needle_set(rng, n_needles, n_needles))
        if n_facts:
            parts.append(fact_set(rng, n_facts, n_facts))
        return Inserted(
            tuple(text for part in parts for text in part.statements),
            tuple(turn for part in parts for turn in part.turns),
        )

    def _questions(
        self, body: Body, rng: np.random.Generator, n_wanted: int
    ) -> list[tuple[Turn, tuple[int, int]]]:
        """Up to `n_wanted` questions whose evidence lies in the body, with its span there."""
        if n_wanted < 1:
            return []
        rows = []
        for number, part in enumerate(body.parts):
            table = part.shard.items
            low, high = part.document.first_item, part.document.last_item
            starts = table.start_n[low:high]
            low, high = low + np.searchsorted(starts, (part.begin, part.end))
            fits = table.end_n[low:high] <= part.end
            if len(body.parts) > 1:
                fits &= ~table.local_n[low:high]
            index = low + np.flatnonzero(fits)
            rows.append(np.stack([np.full_like(index, number), index, table.kind_n[index]], 1))
        found = np.concatenate(rows)
        if not len(found):
            return []
        picked = found[self._order(found[:, 2], rng)[: 2 * n_wanted]]
        n_quoting = n_wanted  # more only where the text has nothing else to ask
        if NATURAL[found[:, 2]].any():
            n_quoting = round((1 - self.config.natural_share) * n_wanted)
        questions: list[tuple[Turn, tuple[int, int]]] = []
        for number, index, kind_index in picked.tolist():
            part = body.parts[number]
            table = part.shard.items
            slots, answer = table.words(index)
            kind = KINDS[kind_index]
            span = (
                part.at + int(table.start_n[index]) - part.begin,
                part.at + int(table.end_n[index]) - part.begin,
            )
            if any(_tells_too(span, other) for _, other in questions):
                continue
            if not NATURAL[kind_index]:
                if not n_quoting:
                    continue
                n_quoting -= 1
            questions.append((Turn(kind, render(kind, slots, rng), answer), span))
            if len(questions) == n_wanted:
                break
        return questions

    def _order(self, kind_n: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Indices of questions of these kinds in the order in which they are tried; int64.

        Kinds that are rare in this text come earlier than by their share, and those in other
        words than the text's are mixed in by `natural_share`.
        """
        counts = np.bincount(kind_n, minlength=len(KINDS))
        keys = rng.random(len(kind_n)) ** (counts[kind_n] ** RARITY)
        order = np.argsort(-keys)
        natural = NATURAL[kind_n[order]]
        share = self.config.natural_share
        # Places in one row of draws: the n-th natural question takes the n-th natural draw.
        draws = rng.random(2 * len(order)) < share
        place = np.empty(len(order), dtype=np.int64)
        for flag in (True, False):
            wanted = np.flatnonzero(draws == flag)
            n = int((natural == flag).sum())
            spare = len(draws) + np.arange(max(0, n - len(wanted)))
            place[natural == flag] = np.concatenate((wanted, spare))[:n]
        return order[np.argsort(place, kind="stable")]

    def _tail(
        self, candidates: list[Turn], tail_tokens: int
    ) -> tuple[tuple[Turn, ...], list[int], list[float]]:
        """As many turns as fit, their tokens, and the weights of the tokens."""
        asked: list[Turn] = []
        tokens: list[int] = []
        weights: list[float] = []
        for turn in candidates:
            before = self._next_question if asked else self._first_question
            question, answer = self._encode(turn.question), self._encode(turn.answer)
            size = len(before) + len(question) + len(self._before_answer) + len(answer)
            if len(tokens) + size + len(self._after_answer) > tail_tokens:
                continue
            asked.append(turn)
            tokens += [*before, *question, *self._before_answer, *answer, *self._after_answer]
            weights += [0.0] * len(before)
            weights += [self.config.question_weight] * len(question)
            weights += [0.0] * len(self._before_answer)
            weights += [self.config.answer_weight] * (len(answer) + 1)
            weights += [0.0] * (len(self._after_answer) - 1)
        return tuple(asked), tokens, weights


def _tells_too(span: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether the evidence of one question would give away the other's answer.

    Spans of many tokens, which reach from a heading to something below it, do not count.
    """
    if max(span[1] - span[0], other[1] - other[0]) > LONG_EVIDENCE:
        return span == other
    return span[0] < other[1] and other[0] < span[1]
