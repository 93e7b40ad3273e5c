"""Human questions with answer spans (SQuAD 1.1): reading the file, exact match and F1.

Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text".
"""

from __future__ import annotations

import json
import math
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from farspan.errors import RequestError

Z = 1.96
"""Standard deviations of a 95 % interval."""

_RESAMPLINGS = 2000


@dataclass(frozen=True)
class Question:
    """One question, the answers that count as right, and the paragraph that holds them."""

    text: str
    answers: tuple[str, ...]
    paragraph: str


def read_squad(path: str | Path) -> tuple[list[str], list[Question]]:
    """Paragraphs and questions of a file in SQuAD format, with or without its `data` key.

    Raises `RequestError` if the file is not of this format or holds no question.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        articles = found["data"] if isinstance(found, dict) else found
        paragraphs = [p for article in articles for p in article["paragraphs"]]
        questions = [
            Question(qa["question"], tuple(a["text"] for a in qa["answers"]), p["context"])
            for p in paragraphs
            for qa in p["qas"]
            if qa["answers"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{path} is no file in SQuAD format ({error!r}); give one") from error
    if not questions:
        raise RequestError(f"{path} holds no question with an answer; give another file")
    return [p["context"] for p in paragraphs], questions


def normalise(text: str) -> str:
    """Lower case, without punctuation, articles and extra white space, as SQuAD compares."""
    text = "".join(char for char in text.lower() if char not in string.punctuation)
    return " ".join(re.sub(r"\b(?:a|an|the)\b", " ", text).split())


def exact_match(guess: str, answers: Sequence[str]) -> bool:
    """Whether the guess is one of the answers, both normalised."""
    return any(normalise(guess) == normalise(answer) for answer in answers)


def f1(guess: str, answers: Sequence[str]) -> float:
    """The best harmonic mean of precision and recall of normalised words, over the answers."""
    return max(_f1(normalise(guess).split(), normalise(answer).split()) for answer in answers)


def contains(guess: str, answers: Sequence[str]) -> bool:
    """Whether a normalised answer stands in the guess, word for word: for talkative models."""
    padded = f" {normalise(guess)} "
    return any(f" {normalise(answer)} " in padded for answer in answers)


def _f1(guess: list[str], answer: list[str]) -> float:
    if not guess or not answer:
        return float(guess == answer)
    same = sum((Counter(guess) & Counter(answer)).values())
    return 2 * same / (len(guess) + len(answer))


def share_interval(right: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score; total must be positive."""
    assert total > 0
    share, spread = right / total, Z * Z / total
    centre = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return centre - half, centre + half


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of a mean by resampling, always with the same seed."""
    value_n = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(0)
    draws = rng.integers(len(value_n), size=(_RESAMPLINGS, len(value_n)))
    low, high = np.percentile(value_n[draws].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)
