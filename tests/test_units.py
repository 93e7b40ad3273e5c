"""Lengths as people write them."""

from __future__ import annotations

import pytest

from farspan.errors import RequestError
from farspan.units import parse_length, parse_lengths, parse_size, show_length, show_size


def test_lengths_are_multiples_of_1024():
    assert parse_lengths("100,8k, 1M") == (100, 8192, 1048576)
    assert [show_length(n) for n in (1000, 8192, 1048576)] == ["1000", "8k", "1m"]


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5m", "eight", "8kb", "9" * 13])
def test_nonsense_is_refused(text):
    with pytest.raises(RequestError, match="length"):
        parse_length(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("7", 7), ("500MB", 500_000_000), ("1.5 gb", 1_500_000_000), ("2T", 2 * 10**12), ("3k", 3000)],
)
def test_sizes_are_multiples_of_1000(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "1GiB", "GB", "1e9"])
def test_other_sizes_are_refused(text):
    with pytest.raises(RequestError, match="is not a number of bytes"):
        parse_size(text)


def test_sizes_are_shown_to_three_digits():
    assert [show_size(n) for n in (0, 999, 1234, 3_481_000_000)] == [
        "0 B", "999 B", "1.23 kB", "3.48 GB",
    ]  # fmt: skip
