"""Predictions: more ranks hold less, linear plans scale, full attention does not, bad requests."""

from __future__ import annotations

import itertools
import json

import pytest
import torch
from typer.testing import CliRunner

from farspan.apps.plan_mesh import plan_mesh
from farspan.cli.main import make_app
from farspan.errors import RequestError
from farspan.models.config import ModelConfig
from farspan.models.plan import parse_plan
from farspan.parallel.mesh import MeshShape
from farspan.parallel.predict import GPUS, meshes, predict, propose
from farspan.training.export import hugging_face_config

MODEL = ModelConfig("llama", 128_000, 4096, 8, 32, 8, 128, 14_336, 8192)
H100 = GPUS["h100"]


def of(plan, mesh, tokens=1 << 20, training=False):
    return predict(MODEL, parse_plan(plan, 8), tokens, mesh, H100, training=training)


@pytest.mark.parametrize("training", [False, True])
def test_more_sequence_ranks_hold_less_and_take_less_time(training):
    found = [of("window*8", MeshShape(sequence=n), training=training) for n in (1, 2, 4, 8)]
    for one, next_ in itertools.pairwise(found):
        assert next_.bytes_a_gpu < one.bytes_a_gpu and next_.seconds < one.seconds
    assert found[0].exchange_seconds == 0


def test_full_attention_sends_more_than_states_of_fixed_size():
    mesh = MeshShape(sequence=8)
    assert of("full*8", mesh).exchange_seconds > 2 * of("gated_delta*8", mesh).exchange_seconds


def test_proposals_use_all_gpus_and_put_what_fits_first():
    found = propose(MODEL, parse_plan("full*8", 8), 1 << 20, 16, H100, training=False)
    assert {x.mesh.ranks for x in found} == {16}
    assert found[0].fits or not any(x.fits for x in found)
    assert all(mesh.tensor == 1 for mesh in meshes(16, MODEL, training=True))
    assert all(MODEL.n_kv_heads % mesh.tensor == 0 for mesh in meshes(48, MODEL, training=False))


def test_meshes_are_read_from_text():
    assert MeshShape.parse("data=2, sequence=4") == MeshShape(data=2, sequence=4)
    for bad in ("rows=2", "data", "data=x", "data=2,data=3", "data=0"):
        with pytest.raises(RequestError, match="mesh"):
            MeshShape.parse(bad)


def test_bad_requests_are_told():
    with pytest.raises(RequestError, match="h100, h200"):
        plan_mesh(gpu="abacus")
    with pytest.raises(RequestError, match="1 or more"):
        plan_mesh(gpus=0)


def test_the_command_prints_a_mesh(tmp_path):
    config = hugging_face_config(MODEL, "full*8", torch.bfloat16)
    (tmp_path / "config.json").write_text(json.dumps(config))
    words = ["plan", str(tmp_path), "--gpus", "8", "--tokens", "128k", "--train"]
    result = CliRunner().invoke(make_app(words), words)
    assert result.exit_code == 0, result.output
    assert "--mesh data=" in result.stdout and "not measured" in result.stdout
    result = CliRunner().invoke(make_app(words), [*words, "--json"])
    assert len(json.loads(result.stdout)["meshes"]) == 4
