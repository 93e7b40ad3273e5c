"""The code of the guide runs as it stands, on a tiny model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from farspan.models.convert import convert
from tests.models.checkpoints import write_checkpoint

GUIDE = Path(__file__).parents[2] / "docs" / "guide-convert.md"


def test_the_code_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    pytest.importorskip("transformers")
    pytest.importorskip("peft")
    write_checkpoint(tmp_path / "in", "qwen2")
    convert(str(tmp_path / "in"), tmp_path / "my-qwen-long", plan="infini(8), recall(16), full")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, GUIDE.name, "exec"), names)
    assert "The captain was" in capsys.readouterr().out
    assert "adapted" in names
