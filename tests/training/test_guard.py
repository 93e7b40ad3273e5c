"""Never a lost run: gradients that are not finite, other models, out of memory."""

from __future__ import annotations

import dataclasses
import time

import pytest
import torch

from farspan.errors import RequestError
from farspan.parallel.mesh import start_mesh
from farspan.training.batch import Batch
from farspan.training.checkpoints import Checkpoints
from farspan.training.loop import TrainingStoppedError, out_of_memory, train

from .test_loop import CONFIG, Copying, make


class Broken(Copying):
    """Weights of some steps are not numbers."""

    def __init__(self, bad):
        self.bad = bad

    def batches(self, step):
        read, text = super().batches(step)
        if step in self.bad:
            read = Batch(read.token_bt, read.weight_bt * float("inf"), read.first_asked)
        return [read, text]


def test_a_bad_step_is_skipped_and_slows_down(tmp_path):
    rows = []
    decoder = make()
    assert train(decoder, Broken({4, 9}), CONFIG, tmp_path, log=rows.append) == 30
    assert rows[-1]["skipped"] == 2
    assert all(torch.isfinite(p).all() for p in decoder.parameters())
    assert rows[-2]["learning_rate"] == pytest.approx(CONFIG.learning_rate_at(28) / 4)


def test_bad_steps_in_a_row_stop_and_name_the_last_good_checkpoint(tmp_path):
    config = dataclasses.replace(CONFIG, save_seconds=0.0, keep=2)
    with pytest.raises(TrainingStoppedError, match="step-00000006") as error:
        train(make(), Broken(set(range(6, 30))), config, tmp_path)
    assert "3 steps in a row" in str(error.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000005", "step-00000006"]
    assert train(make(), Copying(), config, tmp_path) == 30


def test_a_written_checkpoint_gets_its_name_while_training_goes_on(tmp_path):
    checkpoints = Checkpoints(tmp_path, start_mesh(), keep=2, identity="one")
    checkpoints.save({"x": torch.arange(3.0)}, {"step": 1}, wait=False)
    until = time.monotonic() + 20
    while checkpoints.latest() is None and time.monotonic() < until:
        checkpoints.poll()
    assert checkpoints.latest() == tmp_path / "step-00000001"
    checkpoints.finish()
    found = {"x": torch.zeros(3)}
    assert checkpoints.load(found)["step"] == 1
    assert found["x"].tolist() == [0, 1, 2]


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    train(make(), Copying(), dataclasses.replace(CONFIG, steps=1), tmp_path)
    other = make()
    other.plan = type(other.plan)(other.plan.layers[1:] + other.plan.layers[:1])
    with pytest.raises(RequestError, match="of another model"):
        train(other, Copying(), CONFIG, tmp_path)


def test_accumulation_changes_nothing_but_rounding(tmp_path):
    whole, parts = make().double(), make().double()
    train(whole, Copying(), dataclasses.replace(CONFIG, steps=2), tmp_path / "a")
    config = dataclasses.replace(CONFIG, steps=2, accumulate=2)
    train(parts, Copying(), config, tmp_path / "b")
    for name, parameter in whole.named_parameters():
        torch.testing.assert_close(parts.get_parameter(name), parameter, atol=1e-5, rtol=1e-5)


def test_out_of_memory_says_what_helps():
    said = out_of_memory(CONFIG)
    assert "recompute=true" in said and "accumulate=2" in said
    assert "recompute" not in out_of_memory(dataclasses.replace(CONFIG, recompute=True))
