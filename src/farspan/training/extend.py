"""The recipe that gives a checkpoint of the user's own another plan, with the user's own text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from farspan.errors import RequestError
from farspan.models.decoder import Decoder
from farspan.models.tokenizer import Tokenizer
from farspan.parallel.mesh import Mesh, start_mesh
from farspan.training.batch import Batch
from farspan.training.config import Stage, TrainConfig
from farspan.training.export import export
from farspan.training.loop import train
from farspan.training.lora import add_lora, save_lora
from farspan.training.recipes import Base
from farspan.training.run import Run

TEXTS = (".txt", ".md")

EXTEND = TrainConfig(
    plan="reader",
    steps=500,
    learning_rate=1e-4,
    stages=(Stage(0.5, 8192), Stage(1.0, 32_768)),
    read_tokens=65_536,
    tail_tokens=2048,
    text_rows=4,
    chat_rows=0,
    trained="lora",
    lora_rank=16,
    distil=1.0,
    recompute=True,
    workers=2,
)
"""Long rows whose last 2,048 tokens are predicted, and short ones taught by the base itself."""


@dataclass(frozen=True)
class TextRows:
    """Rows cut at random from one long array of tokens, the same for the same step."""

    token_n: Tensor
    config: TrainConfig

    def batches(self, step: int) -> list[Batch]:
        """Long rows with an asked tail; beside them short rows, all asked."""
        config = self.config
        rng = np.random.default_rng([config.seed, step])
        length = config.row_tokens(step)
        found = [self._rows(rng, config.read_tokens // length, length, length - config.tail_tokens)]
        if config.text_rows:
            found.append(self._rows(rng, config.text_rows, config.text_tokens, 0))
        return found

    def _rows(self, rng: np.random.Generator, rows: int, length: int, first: int) -> Batch:
        starts = rng.integers(0, len(self.token_n) - length + 1, rows)
        token = torch.stack([self.token_n[start : start + length] for start in starts])
        return Batch(token.long(), torch.ones(rows, length), first)


def read_texts(path: Path, tokenizer: Tokenizer, longest: int) -> Tensor:
    """All texts of a folder or file as tokens, one behind the other.

    Raises `RequestError` if there are none, or fewer tokens than one row.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in TEXTS)
    if not files:
        raise RequestError(f"{path} holds no {' or '.join(TEXTS)} files to train on")
    tokens: list[int] = []
    for file in files:
        tokens += tokenizer.encode(file.read_text(encoding="utf-8", errors="replace"))
    if len(tokens) < longest:
        raise RequestError(
            f"{path} has {len(tokens):,} tokens and the longest row takes {longest:,}; add text or "
            "shorten the rows with --set stages='[[1.0, N]]'"
        )
    return torch.tensor(tokens, dtype=torch.int32)


def extend_hf_checkpoint(
    base_path: Path,
    corpus: Path,
    folder: Path,
    config: TrainConfig = EXTEND,
    *,
    device: str = "cuda",
    mesh: Mesh | None = None,
    stop_after: float | None = None,
    log: Callable[[dict[str, object]], None] = lambda row: None,
) -> Decoder:
    """Trains the checkpoint with the config's plan on the texts in `corpus`, and saves it.

    `folder/model` then has the model in Hugging Face's layout, or with LoRA `folder/adapter` what
    belongs to it. Raises `RequestError` for texts that are too short and settings that do not fit.
    """
    mesh = mesh or start_mesh(device=device)
    base = Base.load(base_path)
    longest = max(stage.row_tokens for stage in config.stages)
    rows = TextRows(read_texts(corpus, base.tokenizer, longest), config)
    decoder = base.decoder(config.plan, str(mesh.device))
    teacher = (
        base.decoder("full", str(mesh.device)).requires_grad_(False) if config.distil else None
    )
    lora = add_lora(decoder, config.lora_rank) if config.trained == "lora" else None
    about = {"base": base_path.name, "base sha256": base.sha256, "corpus": corpus.name}
    run = Run(folder, "extend_hf_checkpoint", config, mesh, log, about)
    with run.logging() as tell:
        train(
            decoder, rows, config, folder, mesh=mesh, stop_after=stop_after, log=tell,
            teacher=teacher,
        )  # fmt: skip
    if lora is None:
        export(decoder, folder / "model", mesh, base.tokenizer)
    elif mesh.is_first:
        save_lora(decoder, lora, folder / "adapter")
    return decoder
