"""A rank that dies: the others end with a sentence, and the run resumes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from farspan.parallel import heartbeat
from farspan.parallel.mesh import start_mesh

from .ranks import run_ranks

SCRIPT = """
import os, sys, time
from pathlib import Path
from farspan.parallel.heartbeat import watched
from farspan.parallel.mesh import start_mesh
from tests.parallel.test_training import Copying, CONFIG, make
from farspan.training.loop import train
import dataclasses, torch

torch.set_num_threads(1)
source, original = Copying(), Copying().batches
fatal = int(sys.argv[2])

def batches(step):
    if step == fatal and os.environ.get("RANK") == "1":
        os._exit(9)
    return original(step)

source.batches = batches
config = dataclasses.replace(CONFIG, save_seconds=0.0)
with watched(start_mesh()) as mesh:
    print("done", train(make(), source, config, Path(sys.argv[1]), mesh=mesh), flush=True)
"""


def start_ranks(folder: Path, fatal: int, ranks: int) -> list[subprocess.Popen[str]]:
    root = Path(__file__).parents[2]
    common = os.environ | {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(20_000 + os.getpid() % 20_000 + ranks),
        "WORLD_SIZE": str(ranks),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}",
    }
    return [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(folder), str(fatal)],
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]


def test_a_dead_rank_ends_the_others_and_the_run_resumes(tmp_path):
    first, second = start_ranks(tmp_path, fatal=3, ranks=2)
    second.wait(120)
    died = time.monotonic()
    _, said = first.communicate(timeout=60)
    assert time.monotonic() - died < 60
    assert first.returncode == heartbeat.STATUS
    assert "--resume" in said and "rank 0 ends" in said
    (alone,) = start_ranks(tmp_path, fatal=-1, ranks=1)
    out, said = alone.communicate(timeout=120)
    assert "done 6" in out, said


def silent(rank):
    said = []
    if rank == 1:
        time.sleep(6)
        return said
    mesh = start_mesh_of_one()
    with heartbeat.watched(mesh, beat=0.2, silence=1.0, end=said.append):
        time.sleep(4)
    return said


def start_mesh_of_one():
    class Two:
        device = torch.device("cpu")

    return Two()


def test_a_silent_rank_is_noticed_without_an_exchange():
    said = run_ranks(2, silent)[0]
    assert said == ["no sign of rank 1 for 1 seconds"]


def test_a_rank_alone_watches_nobody():
    mesh = start_mesh()
    with heartbeat.watched(mesh) as same:
        assert same is mesh


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="of its own"), heartbeat.watched(start_mesh()):
        raise RuntimeError("an error of its own")
