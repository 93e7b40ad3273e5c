"""`farspan convert`: a folder, a page for people, one object for programs, exit codes."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from farspan.cli.main import make_app
from tests.models.checkpoints import write_checkpoint

pytest.importorskip("transformers")


def call(*words: str, command: str = "convert"):
    return CliRunner().invoke(make_app([command]), [command, *words])


@pytest.fixture
def source(tmp_path):
    write_checkpoint(tmp_path / "in")
    return str(tmp_path / "in")


def test_a_page_and_an_object(source, tmp_path):
    out = str(tmp_path / "out")
    done = call(source, "-o", out, "--plan", "window(16)*2, full", "--position", "yarn(4)")
    assert done.exit_code == 0, done.output
    assert "plan: window(16)*2, full" in done.stdout
    assert "positions: yarn(factor=4, trained=128), up to 512 tokens" in done.stdout
    done = call(source, "-o", out, "--json", "--force")
    report = json.loads(done.stdout)
    assert (report["folder"], report["plan"], report["longest"]) == (out, "full*3", 128)


def test_wrong_requests_end_with_2(source, tmp_path):
    out = str(tmp_path / "out")
    assert call(source, "-o", out, "--plan", "full*9").exit_code == 2
    assert call("no-such-model", "-o", out).exit_code == 2
    assert call(source, "-o", source).exit_code == 2
    assert call(source).exit_code == 2
    assert not (tmp_path / "out").exists()


def test_plan_takes_the_folders_own(source, tmp_path, monkeypatch):
    from farspan.evaluation import roofline

    monkeypatch.setattr(roofline, "SECONDS", 0.0)
    call(source, "-o", str(tmp_path / "out"), "--plan", "window(16)*2, full")
    done = call(str(tmp_path / "out"), "--tokens", "1k", "--device", "cpu", command="plan")
    assert "plan: window(16)*2, full" in done.stdout
