"""Training on a mesh: the same losses and gradients as one rank, checkpoints on other ranks."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder
from farspan.models.plan import parse_plan
from farspan.parallel.fsdp import whole
from farspan.parallel.mesh import MeshShape, start_mesh
from farspan.training.batch import Batch
from farspan.training.config import Stage, TrainConfig
from farspan.training.loop import train
from farspan.training.loss import losses

from .ranks import run_ranks

MODEL = ModelConfig("llama", 32, 16, 4, 2, 1, 8, 32, 128, tied_embeddings=True)
CONFIG = TrainConfig(
    plan="window(8), infini(4), recall(8), full",
    steps=6,
    learning_rate=1e-2,
    warmup=1,
    stages=(Stage(1.0, 30),),
    read_tokens=120,
    tail_tokens=9,
    text_tokens=16,
    log_every=1,
    workers=0,
    trained="everything",
)


class Copying:
    def batches(self, step):
        draw = torch.Generator().manual_seed(step)
        token = torch.randint(2, 32, (4, 30), generator=draw)
        token[:, -9:] = token[:, 1:2]
        weight = torch.zeros(4, 30)
        weight[:, -8:] = torch.rand(4, 8, generator=draw)
        text = torch.randint(0, 2, (5, 13), generator=draw)
        return [Batch(token, weight, 21), Batch(text, torch.ones(5, 13), 0)]


def make():
    torch.manual_seed(0)
    decoder = Decoder(MODEL, parse_plan(CONFIG.plan, 4)).double()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return decoder


def reference():
    decoder = make()
    parts = [losses(decoder, batch) for batch in Copying().batches(0)]
    sum(part.total for part in parts).backward()
    return [part.total.item() for part in parts], {
        name: p.grad for name, p in decoder.named_parameters()
    }


def compare_gradients(rank, shape):
    from farspan.parallel.fsdp import shard_parameters

    mesh = start_mesh(shape)
    decoder = make()
    shard_parameters(decoder, mesh)
    parts = []
    for batch in Copying().batches(0):
        part = losses(decoder, batch, mesh)
        part.total.backward()
        parts.append(part)
    values, wanted = reference()
    for part, value in zip(parts, values, strict=True):
        mean = part.total.detach() / mesh.parameters.size()
        torch.distributed.all_reduce(mean)
        assert mean.item() == pytest.approx(value, abs=1e-10)
    for name, parameter in decoder.named_parameters():
        torch.testing.assert_close(
            whole(parameter.grad), wanted[name], atol=1e-10, rtol=1e-10, msg=name
        )


def test_gradients_equal_one_rank_on_every_mesh():
    run_ranks(2, compare_gradients, MeshShape(sequence=2))
    run_ranks(4, compare_gradients, MeshShape(data=2, sequence=2))


def run_part(rank, shape, folder, steps, config=CONFIG):
    mesh = start_mesh(shape)
    decoder = make()
    rows = []

    class Stop(Exception):
        pass

    def log(row):
        rows.append(row)

    config = dataclasses.replace(config, save_seconds=1e9)
    source = Copying()
    if steps < config.steps:
        original = source.batches

        def batches(step):
            if step == steps:
                raise Stop
            return original(step)

        source.batches = batches
    with contextlib.suppress(Stop):
        train(decoder, source, config, Path(folder), mesh=mesh, log=log)
    return {name: whole(p).detach() for name, p in decoder.named_parameters()}, rows


def test_resume_is_bitwise_on_the_same_ranks_and_close_on_others(tmp_path):
    shape = MeshShape(data=2)
    straight, _ = run_ranks(2, run_part, shape, str(tmp_path / "a"), 6)[0]
    run_ranks(2, run_part, shape, str(tmp_path / "b"), 3)
    about = json.loads(next((tmp_path / "b").glob("step-*/about.json")).read_text())
    assert about["step"] == 3
    (tmp_path / "c").mkdir()
    (tmp_path / "b").joinpath("step-00000003").rename(tmp_path / "c" / "step-00000003")
    shutil.copytree(tmp_path / "c", tmp_path / "d")
    resumed, rows = run_ranks(2, run_part, shape, str(tmp_path / "c"), 6)[0]
    assert [row["step"] for row in rows] == [4, 5, 6]
    torch.testing.assert_close(resumed, straight, atol=0, rtol=0)
    other, _ = run_ranks(1, run_part, MeshShape(), str(tmp_path / "d"), 6)[0]
    torch.testing.assert_close(other, straight, atol=1e-5, rtol=1e-5)
