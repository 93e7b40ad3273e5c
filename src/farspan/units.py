"""Lengths and sizes as people write them: 4k, 128k, 1m in multiples of 1024, 20GB of 1000."""

from __future__ import annotations

import re

from farspan.errors import RequestError

_UNITS = {"": 1, "k": 1024, "m": 1024**2}


def parse_length(text: str) -> int:
    """Tokens from a number with an optional k or m. Raises `RequestError` for anything else."""
    match = re.fullmatch(r"(\d{1,12})([km]?)", text.strip().lower())
    if match is None or int(match[1]) == 0:
        raise RequestError(f"length {text!r} is not a number of tokens such as 4096, 8k or 1m")
    return int(match[1]) * _UNITS[match[2]]


def parse_lengths(text: str) -> tuple[int, ...]:
    """Lengths separated by commas."""
    return tuple(parse_length(part) for part in text.split(","))


def show_length(tokens: int) -> str:
    """The shortest way to write a length: 8k, 1m, 1000."""
    for unit in ("m", "k"):
        if tokens % _UNITS[unit] == 0:
            return f"{tokens // _UNITS[unit]}{unit}"
    return str(tokens)


_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def parse_size(text: str) -> int:
    """Bytes from 500MB, 20GB or 1.5TB. Raises `RequestError` for anything else."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)\s*([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise RequestError(f"size {text!r} is not a number of bytes such as 500MB or 20GB")
    return round(float(match[1]) * _BYTES[match[2]])


def show_size(n_bytes: int) -> str:
    """Bytes to three digits: 512 B, 3.48 GB."""
    for unit in ("T", "G", "M", "k"):
        if n_bytes >= _BYTES[unit.lower()]:
            return f"{n_bytes / _BYTES[unit.lower()]:.3g} {unit}B"
    return f"{n_bytes} B"
