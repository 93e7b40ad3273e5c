"""Several models into one folder."""

import json

import pytest

from farspan.errors import RequestError
from farspan.evaluation import campaign as campaigns
from farspan.evaluation.campaign import Campaign
from farspan.evaluation.models.builtin import Oracle, Silent
from farspan.evaluation.results import read_folder
from farspan.evaluation.suites import Files


@pytest.fixture(autouse=True)
def players(monkeypatch, tokenizer):
    def load(name, options, say):
        return (Oracle if name == "oracle" else Silent)(tokenizer)

    monkeypatch.setattr(campaigns, "load", load)


def campaign(folder, **options):
    standard = {"suites": ("passkey",), "models": ("oracle", "silent"), "lengths": (1024,)}
    return Campaign(**{**standard, "samples": 2, "output": folder, **options})


def run(folder, **options):
    return campaign(folder, **options).run(lambda _: None, lambda _: None)


def test_every_model_has_its_file_with_a_manifest(tmp_path):
    assert run(tmp_path, command="farspan eval passkey")
    oracle, silent = read_folder(tmp_path)
    assert (oracle.model, silent.model) == ("oracle", "silent")
    (manifest,) = oracle.invocations
    assert manifest["command"] == "farspan eval passkey" and manifest["lengths"] == [1024]
    assert {"farspan", "torch", "python"} <= set(manifest["versions"])
    assert oracle.run["haystack_sha256"] and oracle.run["seed"] == 0


def test_more_samples_and_lengths_go_on_and_another_seed_or_haystack_does_not(tmp_path):
    run(tmp_path)
    assert run(tmp_path, samples=3, lengths=(1024, 2048))
    assert len(read_folder(tmp_path)[0].invocations) == 2
    for change in ({"seed": 1}, {"haystack": "filler"}):
        with pytest.raises(RequestError, match="another run"):
            run(tmp_path, **change)
    assert run(tmp_path, seed=1, force=True)


def test_a_change_of_a_file_is_another_run(tmp_path, files):
    squad = tmp_path / "squad.json"
    squad.write_bytes(files.squad.read_bytes())
    options = {"suites": ("ruler/qa_1",), "files": Files(squad=squad), "models": ("oracle",)}
    run(tmp_path / "out", **options)
    data = json.loads(squad.read_text())
    data["data"].reverse()
    squad.write_text(json.dumps(data))
    with pytest.raises(RequestError, match="files was"):
        run(tmp_path / "out", **options)


def test_no_time_leaves_models_for_the_next_start(tmp_path):
    assert not run(tmp_path, seconds=0.0)
    assert run(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"samples": 0}, "must be 1 or more"),
        ({"suites": ("rule",)}, "unknown suite"),
        ({"models": ("x+y",)}, "unknown baseline"),
    ],
)
def test_wrong_requests_are_refused_before_anything_is_loaded(change, reason, tmp_path):
    with pytest.raises(RequestError, match=reason):
        run(tmp_path, **change)
    assert not list(tmp_path.iterdir())


def test_paths_that_are_not_there_are_told(tmp_path):
    with pytest.raises(RequestError, match="--squad"):
        run(tmp_path, files=Files(squad=tmp_path / "none.json"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(RequestError, match="is not a folder"):
        run(tmp_path / "file")
