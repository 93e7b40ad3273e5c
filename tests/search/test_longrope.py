"""LongRoPE's search on a tiny model, and in `farspan convert`."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from farspan.cli.main import make_app
from farspan.errors import RequestError
from farspan.models.load import repositioned
from farspan.positions.registry import parse_positions
from farspan.positions.yarn import Yarn
from farspan.search.evolution import Budget
from farspan.search.longrope import divisors_of, jumping, mean_loss, search_longrope, spaced
from tests.models.checkpoints import write_checkpoint
from tests.tiny import STORY, make_model

SMALL = Budget(population=4, parents=2, children=2, generations=1)


@pytest.fixture(scope="module")
def model():
    return make_model("full*5", dtype=torch.float32)


@pytest.fixture(scope="module")
def ids(model):
    return model.tokenizer.encode_document(STORY * 4)[0]


def test_what_it_finds_is_no_worse_than_where_it_began(model, ids):
    told = []
    found = search_longrope(
        model, ids, 4.0, rows=2, length=64, budget=SMALL, on_trial=lambda *x: told.append(x)
    )
    assert found.loss <= min(found.start.values()) + 1e-6
    assert set(found.start) == {"linear", "ntk", "yarn"}
    assert found.trials == len(told) <= SMALL.trials and told[-1][1] == SMALL.trials
    method = parse_positions(found.position, 128).rotary
    assert method.long_factor == tuple(sorted(method.long_factor))
    rows, places = spaced(ids, 2, 64), jumping(2, 64, 512, 0)
    again = repositioned(model, found.position).decoder
    assert mean_loss(again, torch.from_numpy(rows), places) == pytest.approx(found.loss)
    assert model.position == ""


def test_positions_jump_over_the_whole_length():
    places = jumping(3, 64, 4096, 1)
    assert (places.diff(dim=1) >= 1).all() and (places[:, 0] == 0).all()
    assert places[:, -1].tolist() == [4095] * 3
    assert (jumping(1, 64, 64, 1) == torch.arange(64)).all()


def test_divisors_of_yarn_are_between_one_and_the_factor():
    found = np.array(divisors_of(Yarn(8.0, 2048), 64, 1e4))
    assert (np.diff(found) >= -1e-9).all() and found[0] == 1 and found[-1] == pytest.approx(8)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"factor": 1.0}, "by more than 1"),
        ({"factor": 4.0, "length": 4}, "hold 8 to 512"),
        ({"factor": 4.0, "rows": 0}, "one row"),
        ({"factor": 4.0, "rows": 500, "length": 500}, "are needed"),
    ],
)
def test_requests_that_cannot_be_met(model, ids, options, says):
    with pytest.raises(RequestError, match=says):
        search_longrope(model, ids, **options)


def test_windows_have_nothing_to_search_for(ids):
    with pytest.raises(RequestError, match="no layer whose positions reach"):
        search_longrope(make_model("[window(9), recall(9)]*2, window(9)"), ids, 2.0)


def test_convert_searches(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    monkeypatch.setattr("farspan.search.longrope.Budget", lambda: SMALL)
    write_checkpoint(tmp_path / "in", max_position_embeddings=2048)
    (tmp_path / "story.txt").write_text(STORY * 30)
    words = ["convert", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--json"]
    words += ["--search-on", str(tmp_path / "story.txt")]
    app = make_app(["convert"])
    assert CliRunner().invoke(app, words).exit_code == 2
    done = CliRunner().invoke(app, [*words, "--position", "longrope", "--factor", "2"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["position"].startswith("longrope(factor=2, trained=2048")
    assert report["longest"] == 4096
