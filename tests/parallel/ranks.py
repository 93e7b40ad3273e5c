"""Runs a function on several gloo ranks of this machine, one thread each."""

from __future__ import annotations

import faulthandler
import multiprocessing
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.parallel.preload"])
PATIENCE = 120.0


def run_ranks(n: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `function(rank, *arguments)` returned on each rank; any error fails the test."""
    with tempfile.TemporaryDirectory() as folder:
        pipes = [_CONTEXT.Pipe(duplex=False) for _ in range(n)]
        ranks = [
            _CONTEXT.Process(
                target=_run, args=(rank, n, folder, pipes[rank][1], function, arguments)
            )
            for rank in range(n)
        ]
        for process, (_, writer) in zip(ranks, pipes, strict=True):
            process.start()
            writer.close()
        until = time.monotonic() + PATIENCE
        found, errors = [], []
        for rank, (reader, _) in enumerate(pipes):
            result, error = _receive(reader, until)
            found.append(result)
            if error:
                errors.append(f"rank {rank}: {error}")
        for process in ranks:
            process.kill()
            process.join()
    assert not errors, "\n".join(errors)
    return found


def _receive(reader: Connection, until: float) -> tuple[Any, str | None]:
    if not reader.poll(max(0.0, until - time.monotonic())):
        return None, "said nothing in time"
    try:
        return reader.recv()
    except EOFError:
        return None, "died"


def _run(
    rank: int,
    n: int,
    folder: str,
    writer: Connection,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    faulthandler.enable()
    faulthandler.dump_traceback_later(40)
    torch.set_num_threads(1)
    try:
        dist.init_process_group(
            "gloo",
            init_method=f"file://{Path(folder) / 'store'}",
            rank=rank,
            world_size=n,
            timeout=timedelta(seconds=60),
        )
        writer.send((function(rank, *arguments), None))
    except BaseException:
        writer.send((None, traceback.format_exc()))
    time.sleep(PATIENCE)  # the connections of others end with this process
