"""A recipe from nothing: a small model that learns on a CPU, in two minutes, to look things up.

Rows are random letters with `key=value` pairs among them; at the end keys are asked for. Without
the memory of a recall layer the pairs are out of the window's reach, so answers show that it
learned to recall.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from farspan.mixers.base import Tokens
from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder
from farspan.models.plan import parse_plan
from farspan.parallel.mesh import Mesh, start_mesh
from farspan.training.batch import Batch
from farspan.training.config import Stage, TrainConfig
from farspan.training.export import export
from farspan.training.loop import train
from farspan.training.run import Run

KEYS, VALUES, FILLER = 16, 16, 16
ASK = KEYS + VALUES + FILLER
VOCABULARY = ASK + 1
QUESTIONS = 8

TINY = TrainConfig(
    plan="window(8), recall(8), window(8), recall(8)",
    steps=700,
    learning_rate=4e-3,
    warmup=40,
    schedule="cosine",
    stages=(Stage(1.0, 64),),
    read_tokens=2048,
    tail_tokens=3 * QUESTIONS,
    text_rows=0,
    chat_rows=0,
    trained="everything",
    workers=0,
    log_every=20,
)
"""Windows of 8 tokens and rows of 64: what is asked for is mostly out of reach."""


@dataclass(frozen=True)
class Pairs:
    """Rows of filler with `QUESTIONS` distinct keys and their values, then `? key value` each."""

    config: TrainConfig

    def batches(self, step: int) -> list[Batch]:
        """One batch with its loss on the values asked for."""
        draw = torch.Generator().manual_seed(self.config.seed * 1_000_003 + step)
        length = self.config.row_tokens(step)
        rows = self.config.read_tokens // length
        return [pair_rows(rows, length, draw)]


def pair_rows(rows: int, length: int, draw: torch.Generator) -> Batch:
    """A batch of such rows."""
    body = length - 3 * QUESTIONS
    token = torch.randint(KEYS + VALUES, ASK, (rows, length), generator=draw)
    weight = torch.zeros(rows, length)
    for row in range(rows):
        key = torch.randperm(KEYS, generator=draw)[:QUESTIONS]
        value = torch.randint(KEYS, KEYS + VALUES, (QUESTIONS,), generator=draw)
        place = 2 * torch.randperm(body // 2, generator=draw)[:QUESTIONS]
        token[row, place], token[row, place + 1] = key, value
        order = torch.randperm(QUESTIONS, generator=draw)
        asked = torch.stack((torch.full((QUESTIONS,), ASK), key[order], value[order]), dim=1)
        token[row, body:] = asked.flatten()
    weight[:, body + 2 :: 3] = 1
    return Batch(token, weight, body)


def tiny_model(plan: str) -> Decoder:
    """A decoder of about 100,000 random weights."""
    torch.manual_seed(0)
    layers = len(plan.split(","))
    config = ModelConfig("llama", VOCABULARY, 64, layers, 4, 4, 16, 128, 128, tied_embeddings=True)
    decoder = Decoder(config, parse_plan(plan, layers))
    with torch.no_grad():
        decoder.embed.weight.mul_(0.05)
    return decoder


@torch.no_grad()
def accuracy(decoder: Decoder, length: int, rows: int = 64, seed: int = 10**6) -> float:
    """The share of questions answered right in rows that training never had."""
    batch = pair_rows(rows, length, torch.Generator().manual_seed(seed))
    tokens = Tokens.plain(rows, length, first_asked=batch.first_asked)
    features, _ = decoder(batch.token_bt, tokens, decoder.init_state(rows))
    assert features is not None
    target, weight = batch.targets()
    asked = weight[:, batch.first_asked :] > 0
    said = decoder.logits(features).argmax(-1)[asked]
    return float((said == target[:, batch.first_asked :][asked]).float().mean())


def from_scratch_tiny_cpu(
    folder: Path,
    config: TrainConfig = TINY,
    *,
    mesh: Mesh | None = None,
    stop_after: float | None = None,
    log: Callable[[dict[str, object]], None] = lambda row: None,
) -> Decoder:
    """Trains, tells the accuracy at the trained length and at four times that, and exports.

    The folder `model` in `folder` then holds the model in Hugging Face's layout.
    """
    mesh = mesh or start_mesh()
    decoder = tiny_model(config.plan)
    run = Run(folder, "from_scratch_tiny_cpu", config, mesh, log)
    with run.logging() as tell:
        train(decoder, Pairs(config), config, folder, mesh=mesh, stop_after=stop_after, log=tell)
        length = config.row_tokens(config.steps - 1)
        if mesh.parameters.size() == 1:
            scores: dict[str, object] = {
                f"accuracy_{n}": accuracy(decoder, n) for n in (length, 4 * length)
            }
            tell({"chance": 1 / VALUES} | scores)
    export(decoder, folder / "model", mesh)
    return decoder
