"""Peak memory is what was held at most, not what is held now."""

from __future__ import annotations

from farspan.process import peak_memory_bytes


def test_peak_remembers_what_was_let_go():
    before = peak_memory_bytes()
    block = bytearray(300 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    del block
    assert peak_memory_bytes() >= before + 100 * 2**20
