"""Common and frequent words, after two tasks of RULER (Hsieh et al. 2024, arXiv 2404.06654)."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np

from farspan.data.generation.draft import Answer, Draft, Family, Task, UnfitError
from farspan.data.generation.wordings import Wordings
from farspan.data.words import ADJECTIVES, NOUNS

SOURCE = "after Hsieh et al. 2024, arXiv 2404.06654"
COMMON = Wordings(
    """What are the {k} most common words in the above list?
    Which {k} words appear most often in the list?
    Count the words of the list. Which {k} are the most frequent?
    Name the {k} words that the list repeats most.
    Some words come more often than others: name the first {k}.
    Find the {k} words with the most entries.
    The list holds {k} words more often than all others; which are they?
    Which {k} words lead the list by number of entries?""",
    k=r"\d+",
)
FREQUENT = Wordings(
    """Which coded word is the most frequent, which the second, which the third?
    Name the three coded words that appear most often, in falling order.
    What are the three most frequent coded words, the first first?
    Count the coded words: which three are the most frequent, in order?
    Rank the coded words by frequency and name the first three.
    In order of frequency, which coded words are the top three?
    Give the three coded words with the most occurrences, from the most down.
    Which three coded words come most often? List them in order."""
)
_ENTRY = re.compile(r"^\d+\. (\S+)$", re.M)
_CODED = re.compile(r"\b[a-z]{6}\b")


def _vocabulary(rng: np.random.Generator, n: int) -> list[str]:
    """Distinct compounds in random order."""
    total = len(ADJECTIVES) * len(NOUNS)
    if n > total:
        raise UnfitError("there are too few words for so long a list")
    picks = rng.choice(total, size=n, replace=False).tolist()
    return [f"{ADJECTIVES[i // len(NOUNS)]}-{NOUNS[i % len(NOUNS)]}" for i in picks]


def _common(draft: Draft) -> Task:
    rng = draft.rng
    k = int(rng.integers(2, 8))
    often, seldom = int(rng.integers(6, 30)), int(rng.integers(1, 4))
    room = draft.room()
    words, entries = _vocabulary(rng, 64), room / 7
    for _ in range(3):  # the longer the list, the longer its numbers
        numbers = rng.integers(1, int(entries) + 1, size=64).tolist()
        pairs = zip(numbers, words, strict=True)
        entries = room * 64 / draft.count.each([f"{i}. {x}\n" for i, x in pairs]).sum()
    n = max(int(0.98 * entries - k * often) // seldom, 2)
    words = _vocabulary(rng, k + n)
    times = np.full(k + n, seldom)
    times[:k] = often
    order = rng.permutation(np.repeat(np.arange(k + n), times)).tolist()
    lines = [f"{i}. {words[word]}" for i, word in enumerate(order, 1)]
    ends = np.cumsum([len(line) + 1 for line in lines]).tolist()
    spans = tuple(
        (end - len(line) - 1, end - 1)
        for line, word, end in zip(lines, order, ends, strict=True)
        if word < k
    )
    question = draft.say.question(COMMON.texts, "words, separated by commas", k=k)
    return Task("\n".join(lines), question, tuple(words[:k]), spans)


def _solve_common(document: str, question: str) -> Answer:
    counts = Counter(match[1] for match in _ENTRY.finditer(document))
    return tuple(word for word, _ in counts.most_common(int(COMMON.match(question)["k"])))


def _frequent(draft: Draft) -> Task:
    """Words whose counts fall with a power of their rank; the whole text is the evidence."""
    rng = draft.rng
    alpha = float(rng.uniform(1.5, 2.5))
    coded: dict[str, None] = {}
    while len(coded) < 1500:
        letters = rng.integers(97, 123, size=(1500, 6), dtype=np.uint8)
        coded.update((bytes(row).decode(), None) for row in letters)
    words = list(coded)
    room = draft.room()
    share = np.arange(1, len(words) + 1) ** -alpha
    share /= share.sum()
    cost = draft.count.each([" " + word for word in words])
    counts = np.ones(3, dtype=np.int64)
    low, high = 16, room
    while high - low > 8:
        middle = (low + high) // 2
        counts = np.floor(middle * share).astype(np.int64)
        low, high = (middle, high) if (counts * cost).sum() <= 0.98 * room else (low, middle)
    counts = np.floor(low * share).astype(np.int64)
    if len({*counts[:4].tolist()}) < 4:
        raise UnfitError("the first words are as frequent as each other")
    order = rng.permutation(np.repeat(np.arange(len(words)), counts)).tolist()
    text = " ".join(words[word] for word in order)
    question = draft.say.question(FREQUENT.texts, "words, separated by commas")
    return Task(text, question, tuple(words[:3]), ((0, len(text)),))


def _solve_frequent(document: str, question: str) -> Answer:
    FREQUENT.match(question)
    return tuple(word for word, _ in Counter(_CODED.findall(document)).most_common(3))


def _guess(question: str, rng: np.random.Generator) -> Answer:
    return tuple(_vocabulary(rng, 3))


FAMILIES = (
    Family("words/common", "global", _common, _solve_common, _guess, source=SOURCE),
    Family(
        "words/frequent", "global", _frequent, _solve_frequent, _guess, ordered=True, source=SOURCE
    ),
)
