"""Peak memory is what was held at most, not what is held now."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
from farspan.process import peak_memory_bytes
before = peak_memory_bytes()
block = bytearray(300 * 2**20)
block[::4096] = b"x" * len(block[::4096])
del block
print(peak_memory_bytes() - before)
"""


def test_peak_remembers_what_was_let_go():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert 290 * 2**20 <= int(done.stdout) <= 400 * 2**20


FORGET = """
from farspan.process import peak_memory_bytes, reset_peak_memory
block = bytearray(300 * 2**20)
block[::4096] = b"x" * len(block[::4096])
del block
before = peak_memory_bytes()
reset_peak_memory()
print(before - peak_memory_bytes())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can count anew")
def test_peak_can_be_counted_anew():
    done = subprocess.run(
        [sys.executable, "-c", FORGET], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) >= 290 * 2**20
