"""`farspan bench read`: its table and the requests it refuses."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from farspan.cli.bench import _table, app
from farspan.errors import RequestError

ROW = {
    "engine": "farspan",
    "length": 8192,
    "tokens_per_second": 1000.0,
    "spread": 0.2,
    "decode_tokens_per_second": 12.3,
    "peak_memory_bytes": 2**30,
    "dtype": "bfloat16",
}


def test_slope_compares_with_the_shortest_length():
    slow = {**ROW, "length": 2**20, "tokens_per_second": 800.0}
    skipped = {"engine": "transformers", "length": 2**20, "skipped": "too slow"}
    report = {"hardware": "a processor", "versions": ["x"], "rows": [ROW, slow, skipped]}
    lines = _table(report).splitlines()
    assert lines[4] == "| farspan | 8k | 1,000 | 0.2 | 1.00 | 12.3 | 1.00 GiB | bfloat16 |"
    assert "| 1m | 800 |" in lines[5]
    assert "| 1.25 |" in lines[5]
    assert "too slow" in lines[6]


@pytest.mark.parametrize(
    "words", [["--peers", "vllm"], ["--lengths", "long"], ["--peer-lengths", "0"]]
)
def test_wrong_requests_are_refused_before_anything_is_fetched(words):
    result = CliRunner().invoke(app, ["read", *words])
    assert isinstance(result.exception, RequestError)


def test_json_is_one_object(monkeypatch, tmp_path):
    from farspan.evaluation import peers, speed
    from farspan.models import default

    monkeypatch.setattr(default, "default_model_path", lambda say: tmp_path)
    monkeypatch.setattr("farspan.cli.bench._tokens", lambda *_: "tokens.npy")
    monkeypatch.setattr(
        speed, "measure_reading", lambda length, *_, **__: {**ROW, "length": length}
    )
    monkeypatch.setattr(peers, "measure", lambda engine, job: {**ROW, "engine": engine})
    result = CliRunner().invoke(app, ["read", "--json", "--lengths", "2k", "--peer-lengths", "2k"])
    report = json.loads(result.stdout)
    assert [row["engine"] for row in report["rows"]] == ["transformers", "farspan"]
