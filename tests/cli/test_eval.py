"""`farspan eval` as a person calls it."""

import json
import os
import subprocess
import sys

import pytest

from farspan.cli import main
from farspan.evaluation import campaign
from farspan.evaluation.models.base import CellFailedError
from farspan.evaluation.models.builtin import Oracle, Silent
from farspan.evaluation.models.farspan import FarspanModel

from ..tiny import make_model

MODEL = make_model()


@pytest.fixture
def farspan(monkeypatch, capsys, tmp_path):
    def load(name, options, say):
        players = {"oracle": Oracle, "silent": Silent}
        if name in players:
            return players[name](MODEL.tokenizer)
        return FarspanModel(name, MODEL)

    monkeypatch.setattr(campaign, "load", load)
    monkeypatch.chdir(tmp_path)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["farspan", *words])
        with pytest.raises(SystemExit) as caught:
            main.run()
        said = capsys.readouterr()
        return caught.value.code, said.out, said.err

    return call


def test_a_run_prints_its_table_and_writes_its_report(farspan, tmp_path):
    words = ["eval", "niah", "--model", "oracle", "--model", "silent", "--lengths", "2k"]
    code, out, err = farspan(*words, "--samples", "2", "-o", "out")
    assert code == 0, err
    assert "| oracle | single | 100 (34–100), n=2 | 2k |" in out
    assert "| silent | single | 0 (0–66), n=2 | none |" in out
    assert (tmp_path / "out" / "report.html").exists() and "report.html" in err
    assert "2 of 2 samples" in err


def test_the_default_model_is_measured_with_time_and_memory(farspan):
    code, out, err = farspan("eval", "passkey", "--lengths", "2k", "--samples", "1", "--json")
    assert code == 0, err
    (cell,) = json.loads(out)["cells"]
    assert (cell["model"], cell["task"], cell["length"]) == ("smollm2", "passkey/passkey", 2048)
    assert cell["read_tokens_per_second"] > 0 and cell["peak_bytes"] > 0


def test_time_that_is_up_is_told_and_the_same_command_goes_on(farspan):
    words = ["eval", "passkey", "--model", "oracle", "--model", "silent", "--lengths", "2k"]
    code, _, err = farspan(*words, "--samples", "2", "--seconds", "0.000001")
    assert code == 0 and "the same command goes on" in err
    code, out, _ = farspan(*words, "--samples", "2", "--json")
    cells = json.loads(out)["cells"]
    assert code == 0 and [x["samples"] for x in cells] == [2, 2]


def test_suites_and_tasks_are_listed_with_what_they_need(farspan):
    code, out, _ = farspan("eval", "--list")
    assert code == 0 and "ruler/niah_multikey_3" in out
    assert "ruler/qa_1" in out and "(needs: a file with --squad)" in out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "name at least one suite"),
        (["rulr"], "unknown suite 'rulr'; there are niah"),
        (["niah", "--lengths", "long"], "is not a number of tokens"),
        (["niah", "--model", "oracle+x"], "is not a model"),
        (["niah", "--haystack", "nowhere.txt"], "is not a file or folder"),
        (["--report-only", "-o", "nowhere"], "holds no results"),
    ],
)
def test_wrong_requests_are_one_sentence(farspan, words, reason):
    code, _, err = farspan("eval", *words)
    assert code == 2 and reason in err and err.count("farspan:") == 1


def test_failed_cells_are_told_and_the_exit_code_is_one(farspan, monkeypatch):
    class Down(Oracle):
        def answer(self, samples, max_tokens):
            raise CellFailedError("no connection")

    monkeypatch.setattr(campaign, "load", lambda *_: Down(MODEL.tokenizer))
    words = ["eval", "passkey", "--model", "oracle", "--lengths", "1k,2k", "--samples", "2"]
    code, out, err = farspan(*words)
    assert code == 1 and "2 cells failed (no connection)" in err
    assert "| oracle | passkey | failed | failed |" not in out  # nothing to show in a table
    assert "- oracle at 1k, 2k (passkey/passkey): failed, no connection" in out


def test_ctrl_c_keeps_what_is_done(farspan, monkeypatch, tmp_path):
    answered = []

    class Interrupted(Oracle):
        def answer(self, samples, max_tokens):
            if len(answered) == 2:
                raise KeyboardInterrupt
            answered.append(1)
            return super().answer(samples, max_tokens)

    monkeypatch.setattr(campaign, "load", lambda *_: Interrupted(MODEL.tokenizer))
    words = ["eval", "passkey", "--model", "oracle", "--lengths", "2k", "--samples", "5"]
    code, _, err = farspan(*words, "-o", "out")
    assert code == 130 and "the same command goes on" in err
    assert "n=2" in (tmp_path / "out" / "report.md").read_text()


def test_the_package_can_be_run_as_a_module():
    words = [sys.executable, "-m", "farspan", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.startswith("farspan ")
