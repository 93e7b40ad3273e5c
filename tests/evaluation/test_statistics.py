"""Intervals against published and simulated values."""

import numpy as np
import pytest

from farspan.evaluation.statistics import bootstrap, effective_length, interval, wilson


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_intervals(right, total, low, high):
    assert wilson(right, total) == pytest.approx((low, high), abs=1e-4)


def test_the_bootstrap_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        low, high = bootstrap(rng.beta(2, 3, size=40), seed=trial)
        covered += low <= 0.4 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_right_and_wrong_get_wilsons_interval_and_nothing_is_unknown():
    assert interval([1.0, 0.0, 1.0, 1.0]) == wilson(3, 4)
    assert interval([0.5, 1.0, 0.5, 1.0]) != wilson(3, 4)
    assert interval([]) == (0.0, 1.0)


def test_the_effective_length_ends_before_the_first_that_fails():
    assert effective_length({4: 0.9, 8: 0.86, 16: 0.85, 32: 0.99}) == 8
    assert effective_length({4: 0.5, 8: 0.9}) is None
