"""RULER's aggregation tasks: common words (cwe) and frequent coded words (fwe).

Hsieh et al. 2024, arXiv 2404.06654. The word list does not run out: where 1,000
single words are too few, all words are adjective-noun compounds, of which there are 256,000.
"""

from __future__ import annotations

import math

import numpy as np

from farspan.data.words import ADJECTIVES, NOUNS
from farspan.evaluation.encoder import Encoder, Passage
from farspan.evaluation.samples import Draft, Question, Sample, Task
from farspan.evaluation.scoring import string_match_all
from farspan.evaluation.suites.ruler_needles import SOURCE

COMMON, COMMON_TIMES, OTHER_TIMES = 10, 30, 3
"""Words that are asked for, how often each occurs, and how often every other word."""

SHORT, SHORT_COMMON_TIMES, SHORT_OTHER_TIMES = 4096, 6, 1
"""Below this length words repeat less."""

_CWE_HEAD = (
    "Below is a numbered list of words. In these words, some appear more often than others."
    " Memorize the ones that appear most often.\n"
)
_CWE_QUESTION = "Question: What are the 10 most common words in the above list?"
_CWE_PREFIX = " Answer: The top 10 words that appear most often in the list are:"
_CWE_TOKENS = 120

ALPHA = 2.0
CODE_LETTERS = 6
WORDS_ASKED = 3
DOTS = "..."
_FWE_HEAD = (
    "Read the following coded text and track the frequency of each coded word. Find the three"
    " most frequently appeared coded words. "
)
_FWE_QUESTION = (
    "Question: Do not provide any explanation. Please ignore the dots '....'. What are the three"
    " most frequently appeared words in the above coded text?"
)
_FWE_PREFIX = (
    " Answer: According to the coded text above, the three most frequently appeared words are:"
)
_FWE_TOKENS = 50

_SINGLE = tuple(dict.fromkeys((*NOUNS, *ADJECTIVES)))


def tasks() -> list[Task]:
    """Both tasks."""
    common = Task(
        name="ruler/cwe",
        make=_common_words,
        score=string_match_all,
        max_tokens=_CWE_TOKENS,
        source=SOURCE,
        constant=" 1. the 2. and 3. of",
    )
    frequent = Task(
        name="ruler/fwe",
        make=_frequent_words,
        score=string_match_all,
        max_tokens=_FWE_TOKENS,
        source=SOURCE,
        constant=" the, and, of",
    )
    return [common, frequent]


# Common words


def _common_words(draft: Draft) -> Sample:
    """A solved example of 40 words, then the list."""
    short = draft.length < SHORT
    example = _numbered(draft.rng, 20 if short else 40, *((3, 1) if short else (10, 3)))
    head = f"{_CWE_HEAD}{example[0]}\n{_CWE_QUESTION}{_CWE_PREFIX}{_list(example[1])}\n{_CWE_HEAD}"
    passage = draft.encode(head)
    times = (SHORT_COMMON_TIMES, SHORT_OTHER_TIMES) if short else (COMMON_TIMES, OTHER_TIMES)
    # The question's length does not depend on the words.
    room = draft.room(_CWE_TOKENS, _cwe_question(("word",) * COMMON), beside=[passage])
    n_words = _first_guess(draft, room, times)
    while True:
        text, common = _numbered(draft.rng, n_words, *times)
        body = draft.encode(text)
        if body.n_tokens <= room:
            break
        n_words = COMMON + int((n_words - COMMON) * 0.999 * room / body.n_tokens)
    return Sample(passage, body, (_cwe_question(common),))


def _first_guess(draft: Draft, room: int, times: tuple[int, int]) -> int:
    """How many words fill the room, by the tokens of 400 entries of a list of that length."""
    n_words = COMMON + max(room // 8 - COMMON * times[0], 0) // times[1]
    words = _vocabulary(draft.rng, n_words)
    entries = room // 8
    numbers = draft.rng.integers(1, entries + 1, size=400).tolist()
    sample = [f"{number}. {words[number % n_words]} " for number in numbers]
    entries = int(room / draft.encode.counts(sample).mean())
    return COMMON + max(entries - COMMON * times[0], 0) // times[1]


def _cwe_question(common: tuple[str, ...]) -> Question:
    return Question(_CWE_QUESTION, common, perfect=f" {_list(common)}", prefix=_CWE_PREFIX)


def _numbered(
    rng: np.random.Generator, n_words: int, common_times: int, other_times: int
) -> tuple[str, tuple[str, ...]]:
    """A shuffled numbered list of words, and those that are common."""
    words = _vocabulary(rng, n_words)
    times = np.full(n_words, other_times)
    times[:COMMON] = common_times
    order = rng.permutation(np.repeat(np.arange(n_words), times)).tolist()
    text = " ".join([f"{i}. {words[word]}" for i, word in enumerate(order, 1)])
    return text, tuple(words[:COMMON])


def _list(words: tuple[str, ...]) -> str:
    return " ".join(f"{i}. {word}" for i, word in enumerate(words, 1))


def _vocabulary(rng: np.random.Generator, n_words: int) -> list[str]:
    """Distinct words in random order: single ones, or compounds where those are too few."""
    if n_words <= len(_SINGLE):
        return [_SINGLE[i] for i in rng.permutation(len(_SINGLE))[:n_words].tolist()]
    total = len(ADJECTIVES) * len(NOUNS)
    picks = rng.permutation(total)[:n_words] if n_words <= total else rng.permutation(total)
    words = [f"{ADJECTIVES[i // len(NOUNS)]}-{NOUNS[i % len(NOUNS)]}" for i in picks.tolist()]
    # Beyond ten million tokens compounds are numbered: brave-otter-2.
    return [*words, *(f"{words[i % total]}-{i // total + 1}" for i in range(total, n_words))]


# Frequent coded words


def _frequent_words(draft: Draft) -> Sample:
    """Words whose counts fall with the square of their rank; the first rank is dots."""
    head = draft.encode(_FWE_HEAD)
    room = draft.room(_FWE_TOKENS, _fwe_question(("abcdef",) * WORDS_ASKED), beside=[head])
    vocabulary = _coded(draft.rng, max((draft.length - _FWE_TOKENS) // 50, 2 * WORDS_ASKED))
    body = _fill(draft.rng, draft.encode, vocabulary, room)
    return Sample(head, body, (_fwe_question(tuple(vocabulary[1 : 1 + WORDS_ASKED])),))


def _fwe_question(words: tuple[str, ...]) -> Question:
    return Question(_FWE_QUESTION, words, perfect=f" {', '.join(words)}.", prefix=_FWE_PREFIX)


def _coded(rng: np.random.Generator, count: int) -> list[str]:
    """Dots, then distinct words of six random letters."""
    words: dict[str, None] = {DOTS: None}
    while len(words) < count:
        letters = rng.integers(97, 123, size=(count, CODE_LETTERS), dtype=np.uint8)
        words.update((bytes(row).decode(), None) for row in letters)
    return list(words)[:count]


def _fill(rng: np.random.Generator, encode: Encoder, vocabulary: list[str], room: int) -> Passage:
    """The most words, in the proportions of the law, that fit into `room` tokens, shuffled."""
    share = np.arange(1, len(vocabulary) + 1) ** -ALPHA / (math.pi**2 / 6)
    # No more words than tokens, so that only the first ranks occur at all.
    ranks = int(np.count_nonzero(room * share >= 1))
    share = share[:ranks]
    cost = encode.counts([" " + word for word in vocabulary[:ranks]])
    low, high = 0, room
    while low < high:
        middle = (low + high + 1) // 2
        fits = int(((middle * share).astype(np.int64) * cost).sum()) <= room
        low, high = (middle, high) if fits else (low, middle - 1)
    counts = (low * share).astype(np.int64)
    order = rng.permutation(np.repeat(np.arange(ranks), counts)).tolist()
    return encode(" ".join([vocabulary[word] for word in order]))
