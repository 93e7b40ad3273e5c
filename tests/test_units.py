"""Lengths as people write them."""

from __future__ import annotations

import pytest

from farspan.errors import RequestError
from farspan.units import parse_length, parse_lengths, show_length


def test_lengths_are_multiples_of_1024():
    assert parse_lengths("100,8k, 1M") == (100, 8192, 1048576)
    assert [show_length(n) for n in (1000, 8192, 1048576)] == ["1000", "8k", "1m"]


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5m", "eight", "8kb", "9" * 13])
def test_nonsense_is_refused(text):
    with pytest.raises(RequestError, match="length"):
        parse_length(text)
