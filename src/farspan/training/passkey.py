"""The recipe of the paper's passkey table: a memory, no recall, inputs of at most 5K tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from farspan.data.passkey import Passkeys, passkey_rows
from farspan.mixers.infini import InfiniAttention
from farspan.models.decoder import Decoder
from farspan.models.tokenizer import Tokenizer
from farspan.training.config import Stage, TrainConfig
from farspan.training.loop import Batch, train
from farspan.training.recipes import Base, check_device

SEGMENT = 256

INFINI_PASSKEY = TrainConfig(
    plan=f"window({SEGMENT})*3, infini({SEGMENT}, rule=delta)*24, window({SEGMENT})*3",
    steps=400,
    learning_rate=3e-4,
    stages=(Stage(0.5, 1280), Stage(0.75, 2560), Stage(1.0, 5120)),
    read_tokens=66_560,
    tail_tokens=16,
    text_rows=0,
    chat_rows=0,
)
"""Rows of 1,280, 2,560 and 5,120 tokens: 5 to 20 segments."""


def infini_plan(rule: str, segment: int = SEGMENT) -> str:
    """The recipe's plan with another memory rule; `window` has no memory at all."""
    middle = f"window({segment})" if rule == "window" else f"infini({segment}, rule={rule})"
    return f"window({segment})*3, {middle}*24, window({segment})*3"


class PasskeySource:
    """Batches of passkey rows: the same step gives the same rows."""

    def __init__(
        self, tokenizer: Tokenizer, config: TrainConfig, segment: int, repeats: bool = True
    ) -> None:
        self.passkeys = Passkeys(tokenizer)
        self.config, self.segment, self.repeats = config, segment, repeats

    def batches(self, step: int) -> list[Batch]:
        """One batch, the loss on the answers."""
        length = self.config.row_tokens(step)
        rng = np.random.default_rng([self.config.seed, 0x7061, step])
        n_rows = self.config.read_tokens // length
        rows = passkey_rows(self.passkeys, n_rows, length, self.segment, rng)
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
    repeats: bool = True,
    stop_after: float | None = None,
    log: Callable[[dict[str, object]], None] = lambda row: None,
) -> Decoder:
    """Trains the default model with the plan's memories on the passkey task; returns it.

    Resumes from `folder`, where log and checkpoint go. Raises `RequestError` without a GPU.
    """
    check_device(device)
    folder.mkdir(parents=True, exist_ok=True)
    base = Base.load(base_path)
    decoder = base.decoder(config.plan, device)
    segments = [getattr(layer, "segment", SEGMENT) for layer in decoder.plan.layers]
    source = PasskeySource(base.tokenizer, config, max(segments), repeats)
    with (folder / "log.jsonl").open("a") as file:

        def tell(row: dict[str, object]) -> None:
            row = row | gate_summary(decoder)
            print(json.dumps(row), file=file, flush=True)
            log(row)

        began = time.monotonic()
        done = train(decoder, source, config, folder, stop_after=stop_after, log=tell)
        tell({"steps_done": done, "seconds": time.monotonic() - began})
    return decoder


@torch.no_grad()
def gate_summary(decoder: Decoder) -> dict[str, object]:
    """The gates' shares of memory, smallest, median and largest, and a histogram in tenths."""
    mixers = (decoder.layer(i).mixer for i in range(len(decoder.layers)))
    gates = [mixer.gate for mixer in mixers if isinstance(mixer, InfiniAttention)]
    if not gates:
        return {}
    share = torch.cat([gate.float().sigmoid() for gate in gates]).cpu()
    counts = torch.histc(share, 10, 0, 1).int().tolist()
    low, middle, high = torch.quantile(share, torch.tensor([0.0, 0.5, 1.0])).tolist()
    return {"gates": counts, "gate_range": [round(x, 3) for x in (low, middle, high)]}
