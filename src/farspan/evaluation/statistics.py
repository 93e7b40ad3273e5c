"""Intervals and summaries of scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

CONFIDENCE_Z = 1.959963984540054
"""Of a two-sided 95 % interval."""

RULER_THRESHOLD = 0.856
"""RULER's bar for an effective length: what Llama-2-7B scores at 4K (arXiv 2404.06654, 4)."""

RESAMPLES = 2000


def wilson(right: float, total: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    if total == 0:
        return 0.0, 1.0
    z2 = CONFIDENCE_Z**2
    share = right / total
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    spread = share * (1 - share) / total + z2 / (4 * total**2)
    half = CONFIDENCE_Z * math.sqrt(spread) / (1 + z2 / total)
    return max(0.0, centre - half), min(1.0, centre + half)


def bootstrap(scores: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """95 % interval of a mean, by resampling (Efron's percentiles)."""
    values = np.asarray(scores, dtype=float)
    if len(values) == 0:
        return 0.0, 1.0
    picks = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(1), (2.5, 97.5))
    return float(low), float(high)


def interval(scores: Sequence[float]) -> tuple[float, float]:
    """Wilson's where every score is 0 or 1, else the bootstrap's."""
    if all(score in (0.0, 1.0) for score in scores):
        return wilson(sum(scores), len(scores))
    return bootstrap(scores)


def effective_length(
    mean_by_length: Mapping[int, float], threshold: float = RULER_THRESHOLD
) -> int | None:
    """The longest length up to which every measured length reaches the threshold."""
    best = None
    for length in sorted(mean_by_length):
        if mean_by_length[length] < threshold:
            break
        best = length
    return best
