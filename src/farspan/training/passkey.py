"""The recipe of the paper's passkey table: a memory, no recall, inputs of at most 5K tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from farspan.data.passkey import Passkeys, passkey_rows
from farspan.mixers.infini import InfiniAttention
from farspan.models.decoder import Decoder
from farspan.models.tokenizer import Tokenizer
from farspan.parallel.mesh import Mesh, start_mesh
from farspan.training.batch import Batch
from farspan.training.config import Stage, TrainConfig
from farspan.training.loop import train
from farspan.training.recipes import Base, check_device
from farspan.training.run import Run

SEGMENT = 256

INFINI_PASSKEY = TrainConfig(
    plan=f"window({SEGMENT})*6, infini({SEGMENT}, rule=delta)*16, window({SEGMENT})*8",
    steps=400,
    learning_rate=5e-4,
    added_learning_rate=2e-2,
    warmup=20,
    stages=(
        Stage(0.35, 512, 64),
        Stage(0.55, 1280, 128),
        Stage(0.75, 2560, 256),
        Stage(1.0, 5120, 256),
    ),
    read_tokens=30_720,
    tail_tokens=64,
    text_rows=0,
    chat_rows=0,
)
"""Rows of 512 to 5,120 tokens, segments that grow from 64 to 256."""

FEWEST_WORDS = 0.2
"""The share of keys of words falls to this over the first 60 % of the steps."""

SPECIALIST, LOCAL = 1.0, -3.0
"""Raw gates before training: a third of the memory heads begins as memory, the others as local."""


def infini_plan(rule: str, segment: int = SEGMENT) -> str:
    """The recipe's plan with another memory rule; `window` has no memory at all."""
    middle = f"window({segment})" if rule == "window" else f"infini({segment}, rule={rule})"
    return f"window({segment})*6, {middle}*16, window({segment})*8"


class PasskeySource:
    """Batches of passkey rows: the same step gives the same rows."""

    def __init__(self, tokenizer: Tokenizer, config: TrainConfig, repeats: bool = True) -> None:
        self.passkeys = Passkeys(tokenizer)
        self.config, self.repeats = config, repeats

    def batches(self, step: int) -> list[Batch]:
        """One batch, the loss on the answers."""
        stage = self.config.stage(step)
        length = stage.row_tokens
        rng = np.random.default_rng([self.config.seed, 0x7061, step])
        n_rows = self.config.read_tokens // length
        words = max(FEWEST_WORDS, 1 - step / (0.6 * self.config.steps))
        rows = passkey_rows(
            self.passkeys, n_rows, length, stage.segment or SEGMENT, rng, word_share=words
        )
        assert rows.tail <= self.config.tail_tokens, "an answer is longer than the tail"
        weight = torch.from_numpy(rows.answer_bt).float()
        times = torch.from_numpy(rows.times_bn) if self.repeats else None
        token = torch.from_numpy(rows.token_bt)
        return [Batch(token, weight, length - self.config.tail_tokens, times)]


def infini_passkey(
    base_path: Path,
    folder: Path,
    config: TrainConfig = INFINI_PASSKEY,
    *,
    device: str = "cuda",
    mesh: Mesh | None = None,
    repeats: bool = True,
    stop_after: float | None = None,
    log: Callable[[dict[str, object]], None] = lambda row: None,
) -> Decoder:
    """Trains the default model with the plan's memories on the passkey task; returns it.

    Resumes from `folder`, where log and checkpoint go. Raises `RequestError` without a GPU.
    """
    check_device(device)
    mesh = mesh or start_mesh(device=device)
    base = Base.load(base_path)
    decoder = base.decoder(config.plan, str(mesh.device))
    specialise_gates(decoder)
    for mixer in infini_mixers(decoder):
        mixer.recompute = False  # these rows are short; memory is no matter, kernel starts are
    source = PasskeySource(base.tokenizer, config, repeats)
    run = Run(folder, "infini_passkey", config, mesh, log, {"base sha256": base.sha256})
    with run.logging() as tell:
        began = time.monotonic()
        done = train(decoder, source, config, folder, mesh=mesh, stop_after=stop_after, log=tell)
        tell({"steps_done": done, "seconds": time.monotonic() - began})
    return decoder


@torch.no_grad()
def specialise_gates(decoder: Decoder) -> None:
    """The last third of each layer's memory heads begins as memory, the others as local attention.

    Equal gates of 12 % stayed where they were for 120 steps (docs/log.md): what all heads do a
    little, none learns.
    """
    for mixer in infini_mixers(decoder):
        groups = mixer.gate.weight.view(mixer.shape.n_kv_heads, -1)
        groups.fill_(LOCAL)
        groups[-max(1, len(groups) // 3) :] = SPECIALIST


def infini_mixers(decoder: Decoder) -> list[InfiniAttention]:
    """The decoder's Infini-attention layers, bottom first."""
    mixers = (decoder.layer(i).mixer for i in range(len(decoder.layers)))
    return [mixer for mixer in mixers if isinstance(mixer, InfiniAttention)]
