"""`farspan plan`: a page for people, one object for programs."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from farspan.cli.main import make_app
from farspan.cli.plan import _bytes, _count, _time
from farspan.evaluation import roofline
from tests.models.test_gguf import write


def call(*words: str):
    return CliRunner().invoke(make_app(["plan"]), ["plan", *words, "--device", "cpu"])


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setattr(roofline, "SECONDS", 0.0)
    write(tmp_path / "tiny.gguf")
    return str(tmp_path / "tiny.gguf")


def test_the_page_has_totals_layers_and_masks(tiny):
    done = call(tiny, "--plan", "recall(8), window(64)", "--tokens", "1m")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    growth = next(x for x in lines if x.startswith("attention a token, against 4k"))
    assert growth.split()[-2:] == ["255.9", "x"] or growth.split()[-2:] == ["256.0", "x"]
    assert "Read tokens stop below layer 1" in done.stdout
    assert any(x.startswith("0       recall(8)") for x in lines)
    assert "  recall(8); the last quarter is asked" in lines and "█" in lines[-1]


def test_json_is_one_object(tiny):
    words = ["--plan", "full", "--tokens", "8k", "--position", "yarn", "--factor", "4"]
    done = call(tiny, *words, "--json")
    report = json.loads(done.stdout)
    assert report["position"].startswith("yarn(factor=4")
    assert report["plan"]["attention_flops"] == report["full"]["attention_flops"] > 0


def test_wrong_requests_end_with_2_and_a_sentence(tiny):
    for words in (["--tokens", "many"], ["--plan", "full*7"], ["-o", "plan.svg"]):
        assert call(tiny, *words).exit_code == 2
    assert call("no-such-model").exit_code == 2


def test_numbers_are_short():
    assert [_count(x) for x in (999, 999.9, 1.5e9)] == ["999 ", "1 k", "1.5 G"]
    assert [_bytes(x) for x in (999, 1023, 3 << 30)] == ["999 B", "0.999 KiB", "3 GiB"]
    assert [_time(x) for x in (0.5, 100, 150, 8000, 3 * 86_400)] == [
        "0.5 s", "100 s", "2.5 min", "2.2 h", "3.0 days",
    ]  # fmt: skip
