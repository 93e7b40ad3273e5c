"""The training loop: read rows with an asked tail, text and chat beside them.

Axes: b row, t token, c feature.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset

from farspan.errors import DamagedFileError
from farspan.mixers.base import Tokens
from farspan.mixers.infini import InfiniAttention
from farspan.models.decoder import Decoder, hugging_face_names
from farspan.training.config import TrainConfig
from farspan.training.optimiser import MasterAdamW

LOSS_ROWS = 8192  # Tokens whose logits are held at once.


@dataclass(frozen=True)
class Batch:
    """Token ids int64 `[B, T]`, loss weight of each as a target `[B, T]`, first asked index.

    `times_bn` goes to compressive memories, see `Tokens`.
    """

    token_bt: Tensor
    weight_bt: Tensor
    first_asked: int
    times_bn: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        times = self.times_bn
        return Batch(
            self.token_bt.to(device, non_blocking=True),
            self.weight_bt.to(device, non_blocking=True),
            self.first_asked,
            None if times is None else times.to(device, non_blocking=True),
        )


class Source(Protocol):
    """Where batches come from: the same step gives the same batches."""

    def batches(self, step: int) -> list[Batch]:
        """Read rows first, then text and chat rows."""


class _Steps(Dataset[list[Batch]]):
    def __init__(self, source: Source, first: int, last: int) -> None:
        self.source, self.first, self.last = source, first, last

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> list[Batch]:
        return self.source.batches(self.first + index)


def _only(items: list[list[Batch]]) -> list[Batch]:
    return items[0]


def batch_loss(decoder: Decoder, batch: Batch) -> Tensor:
    """Mean cross-entropy, in nats, over the targets with weight."""
    length = batch.token_bt.shape[1]
    tokens = Tokens.plain(
        batch.token_bt.shape[0], length, first_asked=batch.first_asked, device=decoder.device
    )
    tokens = replace(tokens, times_bn=batch.times_bn)
    features, _ = decoder(batch.token_bt, tokens, decoder.init_state(batch.token_bt.shape[0]))
    targets = batch.token_bt[:, batch.first_asked + 1 :]
    weights = batch.weight_bt[:, batch.first_asked + 1 :]
    chosen = weights > 0
    features, targets, weights = features[:, :-1][chosen], targets[chosen], weights[chosen]
    total = features.new_zeros((), dtype=torch.float32)
    for start in range(0, len(targets), LOSS_ROWS):
        stop = start + LOSS_ROWS
        part = (features[start:stop], targets[start:stop], weights[start:stop])
        total = total + checkpoint(_summed_loss, decoder, *part, use_reentrant=False)
    return total / weights.sum()


def _summed_loss(
    decoder: Decoder, features_nc: Tensor, target_n: Tensor, weight_n: Tensor
) -> Tensor:
    loss = F.cross_entropy(decoder.logits(features_nc).float(), target_n, reduction="none")
    return (loss * weight_n).sum()


def train(
    decoder: Decoder,
    source: Source,
    config: TrainConfig,
    folder: Path,
    *,
    stop_after: float | None = None,
    log: Callable[[dict[str, object]], None] = lambda row: None,
) -> int:
    """Trains all weights but the embedding; returns the number of steps done in all.

    Continues from the checkpoint in `folder` if there is one and saves there every
    `config.save_seconds` and at the end, also when interrupted or out of `stop_after` seconds.
    Each `log_every` steps `log` gets losses in nats, tokens/s and the step.
    """
    for name, parameter in decoder.named_parameters():
        parameter.requires_grad_(not name.startswith(("embed", "head")))
    trained = ((n, p) for n, p in decoder.named_parameters() if p.requires_grad)
    known = hugging_face_names(decoder.config)
    factor = config.added_learning_rate / config.learning_rate
    optimiser = MasterAdamW(trained, lambda name: 1.0 if name in known else factor)
    path = folder / "checkpoint.safetensors"
    step = load_checkpoint(path, optimiser)
    began = saved = time.monotonic()
    sums, since, mark = torch.zeros(3), 0, began
    try:
        for batches in _stream(source, config, step, decoder.device):
            set_segments(decoder, config.stage(step).segment)
            losses = [_backward(decoder, batch, i, config) for i, batch in enumerate(batches)]
            norm = optimiser.step(config.learning_rate_at(step), config.clip)
            step += 1
            since += 1
            rest = torch.stack(losses[1:]).mean() if losses[1:] else torch.zeros_like(norm)
            sums = sums.to(norm.device) + torch.stack((losses[0], rest, norm)).detach()
            if step % config.log_every == 0 or step == config.steps:
                means = (sums / since).tolist()
                now = time.monotonic()
                log(
                    {
                        "step": step,
                        "answer_loss": means[0],
                        "text_loss": means[1],
                        "grad_norm": means[2],
                        "row_tokens": batches[0].token_bt.shape[1],
                        "tokens_per_second": since * config.read_tokens / (now - mark),
                    }
                )
                sums, since, mark = torch.zeros(3), 0, now
            now = time.monotonic()
            if now - saved > config.save_seconds:
                save_checkpoint(path, optimiser, step, config)
                saved = time.monotonic()
            if stop_after is not None and now - began > stop_after:
                break
    finally:
        save_checkpoint(path, optimiser, step, config)
    return step


def set_segments(decoder: Decoder, segment: int) -> None:
    """Gives compressive memories segments of so many tokens; 0 leaves them as they are."""
    for i in range(len(decoder.layers) if segment else 0):
        mixer = decoder.layer(i).mixer
        if isinstance(mixer, InfiniAttention):
            mixer.segment = segment


def _backward(decoder: Decoder, batch: Batch, index: int, config: TrainConfig) -> Tensor:
    loss = batch_loss(decoder, batch)
    (loss if index == 0 else loss * config.text_weight).backward()
    return loss


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


def save_checkpoint(path: Path, optimiser: MasterAdamW, step: int, config: TrainConfig) -> None:
    """Masters, moments and step; the old checkpoint stands until the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: x.detach().cpu().contiguous() for name, x in optimiser.tensors().items()}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={"step": str(step), "config": config.to_json()})
    os.replace(partial, path)


def load_checkpoint(path: Path, optimiser: MasterAdamW) -> int:
    """Takes up a checkpoint and returns its step; 0 if there is none."""
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            optimiser.load({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            return json.loads(file.metadata()["step"])
    except (SafetensorError, KeyError, ValueError, OSError, RuntimeError) as error:
        raise DamagedFileError(
            f"the checkpoint {path} cannot be read; delete it to start over"
        ) from error
