"""Depths and room."""

import pytest

from farspan.evaluation.samples import spread_depth


def test_depths_fill_the_unit_interval_evenly_at_every_number_of_samples():
    depths = [spread_depth(i) for i in range(66)]
    assert depths[:6] == [0, 1, 0.5, 0.25, 0.75, 0.125]
    assert sorted(depths) == pytest.approx(sorted([*(i / 64 for i in range(65)), 1 / 128]))
