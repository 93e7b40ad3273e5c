"""`farspan train`: what it refuses, before it fetches or prepares anything."""

from __future__ import annotations

import pytest
import torch
from typer.testing import CliRunner

from farspan.cli.main import make_app


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["giant"], "unknown recipe"),
        (["default_reader", "--set", "steps"], "field=value"),
        (["default_reader", "--set", "stepz=3"], "unknown field"),
        (["default_reader", "--set", "steps=0"], "must be >= 1"),
        (["default_reader", "--set", "schedule=steep"], "linear, cosine, constant, wsd"),
        (["from_scratch_tiny_cpu", "--resume", "--force"], "give one of them"),
        (["extend_hf_checkpoint"], "needs --model"),
    ],
)
def test_wrong_requests_get_a_sentence_and_exit_code_2(words, said, tmp_path, capsys):
    words = ["train", *words, "--corpus", str(tmp_path), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(make_app(words), words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_told_before_the_corpus_is_prepared(tmp_path):
    words = ["train", "default_reader", "--corpus", str(tmp_path), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(make_app(words), words)
    assert result.exit_code == 2
    assert "needs a GPU" in result.stderr
    assert not (tmp_path / "out").exists()


def test_help_has_an_example():
    words = ["train", "--help"]
    result = CliRunner().invoke(make_app(words), words)
    assert "Example: farspan train from_scratch_tiny_cpu" in result.stdout


def test_a_run_is_neither_overwritten_nor_taken_up_unasked(tmp_path):
    words = ["train", "from_scratch_tiny_cpu", "-o", str(tmp_path)]
    for setting in ("steps=2", "read_tokens=256", "log_every=1"):
        words += ["--set", setting]
    result = CliRunner().invoke(make_app(words), words)
    assert result.exit_code == 0, result.output
    names = {path.name for path in tmp_path.iterdir()}
    assert {"run.json", "log.jsonl", "README.md", "model", "step-00000002"} <= names
    again = CliRunner().invoke(make_app(words), words)
    assert again.exit_code == 2 and "--resume" in again.stderr
    more = [*words, "--set", "steps=3", "--resume"]
    assert CliRunner().invoke(make_app(more), more).exit_code == 0
    assert (tmp_path / "step-00000003").is_dir()
