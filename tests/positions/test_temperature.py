"""Temperature by log length: none where trained, ln n / ln trained beyond."""

from __future__ import annotations

import math

import torch

from farspan.positions.temperature import LogLength


def test_queries_grow_with_the_logarithm_of_what_they_see():
    q = torch.ones(1, 3, 2, 4, dtype=torch.float64)
    place = torch.tensor([[10, 63, 64**2 - 1]])
    sharp = LogLength(64).sharpen(q, place)
    assert sharp[0, :, 0, 0].tolist() == [1.0, 1.0, 2.0]
    within = LogLength(64).sharpen(q, place, window=100)[0, 2, 0, 0]
    assert math.isclose(within, math.log(100) / math.log(64))
