"""Checkpoints of a run: written beside training, whole or not at all, on any number of ranks."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException

from farspan.errors import DamagedFileError, RequestError
from farspan.parallel.mesh import Mesh

PREFIX = "step-"
ABOUT = "about.json"
RANDOM = "random."
"""Each rank's random state is kept under its number."""


@dataclass
class _Writing:
    future: Future[Any]
    partial: Path
    final: Path


class Checkpoints:
    """The last `keep` checkpoints in `folder`, each a folder `step-N` of torch's format.

    `identity` names the model (sizes and plan); a checkpoint of another one is refused.
    """

    def __init__(self, folder: Path, mesh: Mesh, *, keep: int, identity: str) -> None:
        self.folder, self.mesh, self.keep, self.identity = folder, mesh, keep, identity
        self.group = dist.new_group(backend="gloo")  # apart: saving runs beside training
        self.writing: _Writing | None = None

    def latest(self) -> Path | None:
        """The newest whole checkpoint."""
        found = sorted(self.folder.glob(f"{PREFIX}*"), key=_step)
        return found[-1] if found else None

    def save(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any], *, wait: bool) -> None:
        """Copies the tensors and writes them beside what follows; all ranks call it together."""
        self.finish()
        final = self.folder / f"{PREFIX}{about['step']:08d}"
        if final.exists():
            return
        partial = self.folder / f".{final.name}.part"
        if self.mesh.is_first:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            described = dict(about) | {"identity": self.identity}
            (partial / ABOUT).write_text(json.dumps(described))
        dist.barrier(self.group)
        state = dict(tensors) | {f"{RANDOM}{dist.get_rank()}": torch.get_rng_state()}
        future = dcp.async_save(state, checkpoint_id=partial, process_group=self.group)
        self.writing = _Writing(future, partial, final)  # type: ignore[arg-type]
        if wait:
            self.finish()

    def poll(self) -> None:
        """Names a checkpoint that has been written meanwhile; the first rank does, at any time.

        Its writing ends when that of all ranks has.
        """
        if self.mesh.is_first and self.writing is not None and self.writing.future.done():
            self._name(self.writing)

    def finish(self) -> None:
        """Waits for a checkpoint that is being written, and names it; all ranks call it."""
        writing, self.writing = self.writing, None
        if writing is None:
            return
        writing.future.result()
        if self.mesh.is_first:
            self._name(writing)
        dist.barrier(self.group)

    def _name(self, writing: _Writing) -> None:
        """Gives a written checkpoint its name, once, and drops the oldest."""
        if not writing.partial.exists():
            return
        writing.future.result()
        os.replace(writing.partial, writing.final)
        for old in sorted(self.folder.glob(f"{PREFIX}*"), key=_step)[: -self.keep]:
            shutil.rmtree(old)

    def load(self, tensors: Mapping[str, Tensor]) -> dict[str, Any] | None:
        """Fills the tensors from the newest checkpoint, and says what it is; None without one.

        What a checkpoint lacks (moments of parameters that had no gradient) stays as it is.
        Raises `RequestError` for one of another model, `DamagedFileError` if it cannot be read.
        """
        path = self.latest()
        if path is None:
            return None
        try:
            about = json.loads((path / ABOUT).read_text())
            if about["identity"] != self.identity:
                raise RequestError(
                    f"the checkpoint {path} is of another model ({about['identity']}) than this "
                    f"run's ({self.identity}); choose another folder"
                )
            there = dcp.FileSystemReader(path).read_metadata().state_dict_metadata
            random = f"{RANDOM}{dist.get_rank()}"
            state = {name: tensor for name, tensor in tensors.items() if name in there}
            if random in there:
                state[random] = torch.get_rng_state()
            dcp.load(state, checkpoint_id=path, process_group=self.group)
            if random in there:
                torch.set_rng_state(state[random])
        except (CheckpointException, KeyError, ValueError, OSError, RuntimeError) as error:
            if isinstance(error, RequestError):
                raise
            raise DamagedFileError(
                f"the checkpoint {path} cannot be read; delete it to go on with the one before"
            ) from error
        return about | {"path": str(path), "names": sorted(there)}


def _step(path: Path) -> int:
    return int(path.name.removeprefix(PREFIX))
