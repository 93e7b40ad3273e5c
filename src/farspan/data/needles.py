"""Needle tasks as RULER defines them (arXiv 2404.06654): keys and values hidden in a haystack.

A needle reads "One of the special magic numbers for KEY is: NUMBER." and the question asks what
the special magic number for KEY is. In training the question is also paraphrased, and values are
also words and UUIDs.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np

from farspan.data.pieces import PieceEncoder, TextTokenizer
from farspan.data.turns import Dialogue, Inserted, Turn, pick
from farspan.data.words import ADJECTIVES, NOUNS
from farspan.errors import RequestError

FILLER = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
"""The repeated haystack of RULER's first task."""

NEEDLE = "One of the special magic {type}s for {key} is: {value}."
QUESTION = "What is the special magic {type} for {key} mentioned in the provided text?"
ANSWER = "The special magic {type} for {key} mentioned in the provided text is {value}."
QUESTION_MANY = "What are all the special magic {type}s for {key} mentioned in the provided text?"
ANSWER_MANY = "The special magic {type}s for {key} mentioned in the provided text are {value}."

_QUESTIONS_SHORT = (
    "Which special magic {type} belongs to {key}? Give only the {type}.",
    "Give only the special magic {type} for {key}.",
    "{key}: which special magic {type}? Reply with the {type} alone.",
    "What is the special magic {type} for {key}? Answer with the {type} only.",
)
_QUESTIONS_LONG = (
    QUESTION,
    QUESTION,
    QUESTION,
    "What is the special magic {type} for {key}?",
    "What special magic {type} does the text give for {key}?",
    "The text mentions a special magic {type} for {key}. What is it?",
    "Find the special magic {type} for {key} in the document.",
    "Tell me the special magic {type} for {key}.",
    "Which special magic {type} is mentioned for {key}?",
    "According to the document, what is the special magic {type} for {key}?",
    "A special magic {type} for {key} is hidden in the text. Which one?",
    "Do you remember the special magic {type} for {key}?",
)
TYPES = ("number", "word", "uuid")


def random_key(rng: np.random.Generator, pair: bool) -> str:
    """A key: an adjective and a noun joined by a hyphen, or a single noun."""
    noun = pick(rng, NOUNS)
    return f"{pick(rng, ADJECTIVES)}-{noun}" if pair else noun


def random_value(rng: np.random.Generator, kind: str) -> str:
    """A value of a kind in `TYPES`: seven digits, an adjective-noun word, or a UUID."""
    if kind == "number":
        return str(int(rng.integers(1_000_000, 10_000_000)))
    if kind == "word":
        return random_key(rng, pair=True)
    return str(uuid.UUID(bytes=rng.bytes(16), version=4))


def _distinct_keys(rng: np.random.Generator, n: int, pair: bool) -> list[str]:
    keys: dict[str, None] = {}
    while len(keys) < n:
        keys[random_key(rng, pair)] = None
    return list(keys)


def _turn(rng: np.random.Generator, kind: str, key: str, values: list[str]) -> Turn:
    if len(values) > 1:
        joined = ", ".join(values[:-1]) + f", and {values[-1]}"
        return Turn(
            "needle_many",
            QUESTION_MANY.format(type=kind, key=key),
            ANSWER_MANY.format(type=kind, key=key, value=joined),
        )
    short = rng.random() < 0.2
    question = pick(rng, _QUESTIONS_SHORT if short else _QUESTIONS_LONG)
    answer = "{value}." if short else ANSWER
    words = {"type": kind, "key": key, "value": values[0]}
    return Turn(f"needle_{kind}", question.format(**words), answer.format(**words))


def needle_set(rng: np.random.Generator, n_keys: int, max_turns: int) -> Inserted:
    """`n_keys` needles of one kind of value and questions about up to `max_turns` of them.

    Most sets hold numbers. In one set of eight, some keys have two to four values.
    """
    kind = TYPES[int(rng.choice(3, p=(0.8, 0.12, 0.08)))]
    many = n_keys >= 4 and rng.random() < 0.125
    keys = _distinct_keys(rng, n_keys, pair=n_keys > 200 or rng.random() < 0.7)
    values: dict[str, list[str]] = {}
    n_made = 0
    for key in keys:
        n_values = int(rng.integers(2, 5)) if many and rng.random() < 0.5 else 1
        if n_made + n_values > n_keys:
            break
        values[key] = [random_value(rng, kind) for _ in range(n_values)]
        n_made += n_values
    statements = [
        (key, value, NEEDLE.format(type=kind, key=key, value=value))
        for key, found in values.items()
        for value in found
    ]
    order = rng.permutation(len(statements))
    placed = [statements[i] for i in order]
    # Several values of a key are listed in the order in which the document gives them.
    in_order: dict[str, list[str]] = {}
    for key, value, _ in placed:
        in_order.setdefault(key, []).append(value)
    asked = [str(key) for key in rng.permutation(list(in_order))[:max_turns]]
    turns = tuple(_turn(rng, kind, key, in_order[key]) for key in asked)
    return Inserted(tuple(text for _, _, text in placed), turns)


@dataclass(frozen=True)
class NeedleCase:
    """One evaluation case; the model sees `document_ids`, `question_ids`, then answers.

    `document_ids` (int64) begin with the tokens of `before_document`; `question_ids` run from
    `before_question` to `before_answer`; `answer_ids` end with `after_answer`. `key` and
    `number` are the asked ones as text; `needle_at` is the index in `document_ids` where the
    asked needle starts.
    """

    document_ids: np.ndarray
    question_ids: np.ndarray
    answer_ids: np.ndarray
    key: str
    number: str
    needle_at: int


def needle_case(
    haystack_tokens: np.ndarray | None,
    length: int,
    n_keys: int,
    depth: float,
    seed: int,
    tokenizer: TextTokenizer,
    format: Dialogue,
) -> NeedleCase:
    """A needle case of exactly `length` tokens, document, question and answer together.

    `haystack_tokens` (integers [N]) are repeated or cut to fit; None means the repeated filler
    sentences of RULER. `depth` in [0, 1] places the asked needle, the `n_keys - 1` others lie at
    random depths; needles stand at ends of sentences. The same arguments give the same case.
    Raises `RequestError` when depth or number of keys is out of range or `length` is too short.
    """
    if not 0 <= depth <= 1:
        raise RequestError(f"depth is {depth}; give a number from 0 (start) to 1 (end)")
    if n_keys < 1:
        raise RequestError(f"the number of needles is {n_keys}; give at least 1")
    rng = np.random.default_rng([seed, 0x6E65])
    encode = PieceEncoder(tokenizer)
    keys = _distinct_keys(rng, n_keys, pair=True)
    numbers = [random_value(rng, "number") for _ in keys]
    words = {"type": "number", "key": keys[0], "value": numbers[0]}
    question = [
        *tokenizer.encode(format.before_question),
        *encode(QUESTION.format(**words)),
        *tokenizer.encode(format.before_answer),
    ]
    answer = [*encode(ANSWER.format(**words)), *tokenizer.encode(format.after_answer)]
    head = tokenizer.encode(format.before_document)
    needles = [
        encode.array(" " + NEEDLE.format(type="number", key=key, value=number))
        for key, number in zip(keys, numbers, strict=True)
    ]
    room = length - len(head) - len(question) - len(answer) - sum(map(len, needles))
    if room < 64:
        raise RequestError(
            f"{length} tokens do not hold {n_keys} needles with their question; "
            f"give at least {length - room + 64}"
        )
    if haystack_tokens is None:
        haystack_tokens = encode.array(" " + FILLER)
    if len(haystack_tokens) == 0:
        raise RequestError("the haystack is empty; give some text")
    body = np.resize(np.asarray(haystack_tokens, dtype=np.int64), room)
    stops = sentence_starts(body, tokenizer)
    depths = np.concatenate(([depth], rng.random(n_keys - 1)))
    # The asked needle goes in before others that fall on the same sentence end.
    places = np.array([_nearest(stops, round(d * room)) for d in depths])
    order = np.argsort(places, kind="stable")
    pieces: list[np.ndarray] = [np.array(head, dtype=np.int64)]
    at, needle_at, n_before = 0, 0, len(head)
    for index in order:
        place = int(places[index])
        pieces += [body[at:place], needles[index]]
        n_before += place - at
        if index == 0:
            needle_at = n_before
        n_before += len(needles[index])
        at = place
    pieces.append(body[at:])
    return NeedleCase(
        np.concatenate(pieces),
        np.array(question, dtype=np.int64),
        np.array(answer, dtype=np.int64),
        keys[0],
        numbers[0],
        needle_at,
    )


def sentence_starts(tokens: np.ndarray, tokenizer: TextTokenizer) -> np.ndarray:
    """Indices in `tokens` (integers [T]) after a token that ends a sentence, 0 and T included.

    Judged from token ids alone: a token whose text ends in ".", "!" or "?", followed by one that
    starts with a space or a newline. Returns int64, rising.
    """
    distinct, inverse = np.unique(tokens, return_inverse=True)
    texts = [tokenizer.decode([int(token)], skip_special=False) for token in distinct]
    ends = np.array([text.endswith((".", "!", "?", '."', ".”")) for text in texts])[inverse]
    opens = np.array([text[:1] in (" ", "\n") for text in texts])[inverse]
    inside = np.flatnonzero(ends[:-1] & opens[1:]) + 1
    return np.unique(np.concatenate(([0], inside, [len(tokens)]))).astype(np.int64)


def _nearest(stops: np.ndarray, place: int) -> int:
    """The stop nearest to a place; stops rise."""
    after = int(np.searchsorted(stops, place))
    candidates = stops[max(after - 1, 0) : after + 1]
    return int(candidates[np.abs(candidates - place).argmin()])
