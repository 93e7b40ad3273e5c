"""Training: the loss falls, an interrupted run ends where an uninterrupted one does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from farspan.errors import DamagedFileError, RequestError
from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder
from farspan.models.plan import parse_plan
from farspan.parallel.mesh import MeshShape, start_mesh
from farspan.training.config import Stage, TrainConfig
from farspan.training.loop import Batch, batch_loss, train

MODEL = ModelConfig("llama", 32, 16, 3, 2, 1, 8, 32, 128, tied_embeddings=True)
CONFIG = TrainConfig(
    plan="window(8), recall(8), window(8)",
    steps=30,
    learning_rate=1e-2,
    warmup=3,
    stages=(Stage(0.5, 32), Stage(1.0, 64)),
    read_tokens=128,
    tail_tokens=8,
    text_tokens=16,
    log_every=1,
    workers=0,
)


class Copying:
    """Rows whose tail repeats the row's second token."""

    def batches(self, step):
        rng = np.random.default_rng(step)
        length = CONFIG.row_tokens(step)
        token = torch.from_numpy(rng.integers(2, 32, (CONFIG.read_tokens // length, length)))
        token[:, -CONFIG.tail_tokens :] = token[:, 1:2]
        weight = torch.zeros(token.shape)
        weight[:, -CONFIG.tail_tokens + 1 :] = 1
        text = torch.from_numpy(rng.integers(0, 2, (2, 16)))
        return [
            Batch(token, weight, length - CONFIG.tail_tokens),
            Batch(text, torch.ones(text.shape), 0),
        ]


def make():
    torch.manual_seed(0)
    return Decoder(MODEL, parse_plan(CONFIG.plan, 3))


def test_loss_falls_and_frozen_embedding_stays(tmp_path):
    decoder, rows = make(), []
    before = decoder.embed.weight.detach().clone()
    assert train(decoder, Copying(), CONFIG, tmp_path, log=rows.append) == 30
    assert rows[-1]["answer_loss"] < 0.6 * rows[0]["answer_loss"]
    torch.testing.assert_close(decoder.embed.weight, before, rtol=0, atol=0)


def test_interrupted_equals_uninterrupted(tmp_path):
    whole = make()
    train(whole, Copying(), CONFIG, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(row):
        if row["step"] == 11:
            raise Stop

    with pytest.raises(Stop):
        train(make(), Copying(), CONFIG, tmp_path / "parts", log=stop)
    resumed = make()
    assert train(resumed, Copying(), CONFIG, tmp_path / "parts") == 30
    for name, parameter in whole.named_parameters():
        torch.testing.assert_close(resumed.get_parameter(name), parameter, rtol=0, atol=0)


def test_loss_is_the_cross_entropy_of_weighted_targets():
    decoder = make().double()
    batch = Copying().batches(0)[1]
    ids = batch.token_bt
    from farspan.mixers.base import Tokens

    features, _ = decoder(ids, Tokens.plain(*ids.shape, first_asked=0), decoder.init_state(2))
    log_p = decoder.logits(features).log_softmax(-1)[:, :-1]
    wanted = -log_p.gather(-1, ids[:, 1:].unsqueeze(-1)).mean()
    assert batch_loss(decoder, batch).item() == pytest.approx(wanted.item(), abs=1e-6)


@pytest.mark.parametrize("axis", ["tensor", "pipeline"])
def test_ranks_that_training_cannot_use_are_refused(tmp_path, axis):
    mesh = dataclasses.replace(start_mesh(), shape=MeshShape(**{axis: 2}))
    with pytest.raises(RequestError, match="data and sequence ranks alone"):
        train(make(), Copying(), CONFIG, tmp_path / "run", mesh=mesh)
    assert not (tmp_path / "run").exists()


def test_damaged_checkpoint_is_told(tmp_path):
    (tmp_path / "step-00000007").mkdir()
    (tmp_path / "step-00000007" / "about.json").write_bytes(b"nonsense")
    with pytest.raises(DamagedFileError, match="delete it"):
        train(make(), Copying(), CONFIG, tmp_path)


def test_config_takes_text_and_refuses_nonsense():
    changed = CONFIG.replace({"steps": "7", "learning_rate": "1e-4", "stages": "[[1.0, 64]]"})
    assert (changed.steps, changed.learning_rate) == (7, 1e-4)
    assert changed.stages == (Stage(1.0, 64),)
    for bad in ({"step": "7"}, {"steps": "many"}, {"stages": "[[0.5, 64]]"}, {"steps": "0"}):
        with pytest.raises(RequestError):
            CONFIG.replace(bad)
    assert dataclasses.replace(CONFIG, warmup=0).learning_rate_at(0) == CONFIG.learning_rate
