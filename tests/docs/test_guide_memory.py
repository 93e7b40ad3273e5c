"""The guide's code does what the guide says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guide-memory.md"


@pytest.mark.slow
def test_the_guide_runs_and_remembers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    names = {}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    assert names["right"] >= 0.8  # chance is 1/8
    assert names["difference"] < 1e-3
    assert (tmp_path / "memory.safetensors").stat().st_size > names["memory"].nbytes
