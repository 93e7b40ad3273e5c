"""The training loop: batches to gradients to one update, and what is kept and told of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from farspan.errors import RequestError
from farspan.models.decoder import Decoder
from farspan.parallel.fsdp import shard_parameters
from farspan.parallel.mesh import Mesh, start_mesh
from farspan.training.batch import Batch, Source
from farspan.training.checkpoints import Checkpoints
from farspan.training.config import TrainConfig
from farspan.training.distill import distillation_loss
from farspan.training.loss import Losses, batch_loss, losses, own_part, summed
from farspan.training.metrics import Meter
from farspan.training.optimiser import MasterAdamW
from farspan.training.parts import choose_trained, make_optimiser, prepare_layers, set_segments
from farspan.training.segments import segment_losses

__all__ = ["Batch", "Source", "batch_loss", "train"]

Log = Callable[[dict[str, object]], None]


class TrainingStoppedError(RuntimeError):
    """Training cannot go on; the message names the last good checkpoint."""


class _Steps(Dataset[list[Batch]]):
    def __init__(self, source: Source, first: int, last: int) -> None:
        self.source, self.first, self.last = source, first, last

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> list[Batch]:
        return self.source.batches(self.first + index)


def _only(items: list[list[Batch]]) -> list[Batch]:
    return items[0]


@dataclass
class _Run:
    """One run's moving parts; `step`, `slow` and `bad` are what a checkpoint must know."""

    decoder: Decoder
    config: TrainConfig
    mesh: Mesh
    optimiser: MasterAdamW
    checkpoints: Checkpoints
    meter: Meter
    teacher: Decoder | None = None
    step: int = 0
    slow: float = 1.0
    bad: int = 0
    saved: float = field(default_factory=time.monotonic)

    def update(self, batches: list[Batch]) -> None:
        """One step; one whose gradient is not finite is left out."""
        set_segments(self.decoder, self.config.stage(self.step).segment)
        parts = [self._backward(batch, i) for i, batch in enumerate(batches)]
        rate = self.config.learning_rate_at(self.step) * self.slow
        norm = self.optimiser.step(rate, self.config.clip)
        sums, weights = summed(parts, self.mesh)
        self.step += 1
        if torch.isfinite(norm):
            self.bad = 0
            self.meter.add(sums, weights, norm, rate, batches)
            return
        self.bad += 1
        self.slow *= self.config.back_off
        self.meter.skip()
        if self.bad >= self.config.patience:
            self.checkpoints.finish()
            good = self.checkpoints.latest()
            raise TrainingStoppedError(
                f"the gradient was not finite in {self.bad} steps in a row, up to step "
                f"{self.step}; the last good checkpoint is {good or 'none'}. Lower learning_rate "
                "or clip and run the same command to go on from there"
            )

    def _backward(self, batch: Batch, index: int) -> Losses:
        """Gradients of a batch; the first, of read rows, in as many parts as asked for."""
        share = 1.0 if index == 0 else self.config.text_weight
        count = self.config.accumulate if index == 0 else 1
        found: list[Losses] = []
        weight = batch.targets()[1].sum()
        for k in range(count):
            rows = batch.rows(slice(k, None, count)) if count > 1 else batch
            factor = share * float(rows.targets()[1].sum() / weight) if count > 1 else share
            if index == 0 and self.config.segment_tokens:
                part = segment_losses(
                    self.decoder, rows, self.config.segment_tokens, self.mesh, factor
                )
            else:
                part = losses(self.decoder, rows, self.mesh)
                (part.total * factor).backward()
            if index and self.teacher is not None:
                self._distil(rows)
            found.append(part)
        sums, weights = (sum(getattr(x, name) for x in found) for name in ("sums", "weights"))
        return Losses(found[0].total.detach(), sums, weights)

    def _distil(self, batch: Batch) -> None:
        """Gradients of what the teacher says of this rank's rows."""
        assert self.teacher is not None
        rows = own_part(batch, self.mesh)[0]
        weight = self.config.distil * len(rows.token_bt) / len(batch.token_bt)
        loss = distillation_loss(self.decoder, self.teacher, rows, self.config.distil_attention)
        (loss * weight * self.mesh.shape.data).backward()

    def save(self, *, wait: bool) -> None:
        """A checkpoint of this step, unless the last gradients were not finite."""
        if self.bad:
            return
        about = {"step": self.step, "slow": self.slow, "config": self.config.to_json()}
        self.checkpoints.save(self.optimiser.tensors(), about, wait=wait)
        self.saved = time.monotonic()

    def load(self) -> None:
        """Goes on from the newest checkpoint, if there is one."""
        tensors = self.optimiser.blank()
        about = self.checkpoints.load(tensors)
        if about is not None:
            there = set(about["names"])
            self.optimiser.load({k: v for k, v in tensors.items() if k in there})
            self.step, self.slow = about["step"], about["slow"]


def train(
    decoder: Decoder,
    source: Source,
    config: TrainConfig,
    folder: Path,
    *,
    mesh: Mesh | None = None,
    stop_after: float | None = None,
    log: Log = lambda row: None,
    teacher: Decoder | None = None,
) -> int:
    """Trains a decoder in place; returns the number of steps done in all.

    Continues from the newest checkpoint in `folder` and saves there every `config.save_seconds`
    and at the end, also when interrupted or out of `stop_after` seconds. Each `log_every` steps
    `log` gets the metrics (see `Meter`). Every rank of the mesh calls it alike, with the whole
    decoder; afterwards its parameters are sharded. Raises `TrainingStoppedError` when gradients
    stay not finite, and a `RequestError` for tensor and pipeline ranks, and one that says what
    helps when memory is out.
    """
    mesh = mesh or start_mesh(device=decoder.device.type)
    if mesh.shape.tensor > 1 or mesh.shape.pipeline > 1:
        raise RequestError(
            f"the mesh has {mesh.shape.tensor} tensor and {mesh.shape.pipeline} pipeline ranks;"
            " training takes data and sequence ranks alone"
        )
    prepare_layers(decoder, config)
    choose_trained(decoder, config.trained)
    shard_parameters(decoder, mesh)
    optimiser = make_optimiser(decoder, choose_trained(decoder, config.trained), config)
    identity = f"{decoder.config} {decoder.plan}"
    checkpoints = Checkpoints(folder, mesh, keep=config.keep, identity=identity)
    run = _Run(decoder, config, mesh, optimiser, checkpoints, Meter(decoder, config, mesh), teacher)
    run.load()
    began = time.monotonic()
    try:
        for batches in _stream(source, config, run.step, decoder.device):
            run.update(batches)
            checkpoints.poll()
            if run.step % config.log_every == 0 or run.step == config.steps:
                row = run.meter.row(run.step)
                if mesh.is_first:
                    log(row)
            if _agreed(time.monotonic() - run.saved > config.save_seconds, mesh):
                run.save(wait=False)
            if stop_after is not None and _agreed(time.monotonic() - began > stop_after, mesh):
                break
    except torch.OutOfMemoryError as error:
        raise RequestError(out_of_memory(config)) from error
    finally:
        run.save(wait=True)
    return run.step


def out_of_memory(config: TrainConfig) -> str:
    """Which settings, not yet used, make a step smaller, the cheapest first."""
    longest = max(stage.row_tokens for stage in config.stages)
    rows = config.read_tokens // longest
    ways = []
    if config.accumulate < rows:
        ways.append(f"accumulate={rows} (one row at once: activations of {longest:,} tokens)")
    if not config.recompute:
        ways.append("recompute=true (one layer's activations instead of all)")
    if not config.mlp_tile:
        ways.append("mlp_tile=4096 (feed-forward activations of 4,096 tokens)")
    if not config.segment_tokens:
        ways.append(f"segment_tokens={max(1024, longest // 8)} (an eighth of the activations)")
    if config.recompute and not config.offload:
        ways.append("offload=true (layer inputs on the host)")
    ways.append("more GPUs with --mesh sequence=N (1/N of the activations)")
    return "out of memory; what helps, cheapest first: " + "; ".join(ways)


def _agreed(wish: bool, mesh: Mesh) -> bool:
    """What the first rank wants: clocks differ, and all must do the same."""
    if mesh.parameters.size() == 1:
        return wish
    word = torch.tensor([float(wish and mesh.is_first)], device=mesh.device)
    torch.distributed.all_reduce(word, group=mesh.everyone)
    return bool(word.item())


def _stream(
    source: Source, config: TrainConfig, first: int, device: torch.device
) -> Iterator[list[Batch]]:
    """Batches of the coming steps, prepared by worker processes in the order of the steps."""
    loader = DataLoader(
        _Steps(source, first, config.steps),
        batch_size=1,
        collate_fn=_only,
        num_workers=config.workers,
        prefetch_factor=4 if config.workers else None,
    )
    for batches in loader:
        yield [batch.to(device) for batch in batches]
