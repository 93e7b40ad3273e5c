"""`farspan train RECIPE`: run a recipe, on one device or as one of torchrun's ranks, and resume."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farspan.errors import RequestError

if TYPE_CHECKING:
    from farspan.training.config import TrainConfig

RECIPES = ("default_reader", "infini_passkey", "extend_hf_checkpoint", "from_scratch_tiny_cpu")
NEED_CORPUS = ("default_reader", "extend_hf_checkpoint")


def train(
    recipe: Annotated[str, typer.Argument(help=f"What to run: {', '.join(RECIPES)}.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for checkpoints, log and results.")
    ],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Folder of .parquet, .txt or .md files, or one prepared before."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="The checkpoint to extend: a folder, file or hub name.")
    ] = None,
    shards: Annotated[
        str | None, typer.Option(help="Parts of Parquet file names to prepare, by commas.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cuda, or cpu for trials.")] = None,
    mesh: Annotated[
        str, typer.Option(help="Ranks along axes, as data=2,sequence=4; all data if left out.")
    ] = "",
    workers: Annotated[int, typer.Option(min=1, help="Processes that prepare the corpus.")] = 4,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting as field=value; repeatable.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="An adapter to begin with, instead of the base model.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the folder holds.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Begin anew over an old run.")] = False,
    stop_after: Annotated[
        float | None, typer.Option(help="Seconds of training before it stops, resumable.")
    ] = None,
) -> None:
    """Train by a recipe. With --resume the same command goes on where it stopped.

    Example: farspan train from_scratch_tiny_cpu -o runs/tiny --set steps=100
    """
    if recipe not in RECIPES:
        raise RequestError(f"unknown recipe {recipe!r}; there are {', '.join(RECIPES)}")
    if recipe in NEED_CORPUS and corpus is None:
        raise RequestError(f"{recipe} needs --corpus, a folder of texts")
    if recipe == "extend_hf_checkpoint" and model is None:
        raise RequestError(f"{recipe} needs --model, the checkpoint to extend")
    config = _config(recipe, settings or [])
    place = device or ("cpu" if recipe == "from_scratch_tiny_cpu" else "cuda")
    _check(output, place, resume, force)
    from farspan.parallel.heartbeat import watched
    from farspan.parallel.mesh import MeshShape, start_mesh

    shape = MeshShape.parse(mesh) if mesh else None
    asked = _Asked(recipe, output, corpus, model, shards, workers, start, config)
    with watched(start_mesh(shape, place)) as ranks:
        common = {"mesh": ranks, "stop_after": stop_after, "log": lambda row: _say(json.dumps(row))}
        done = _run(asked, place, common)
        if ranks.is_first:
            _say(done)


class _Asked:
    def __init__(
        self,
        recipe: str,
        output: Path,
        corpus: Path | None,
        model: str | None,
        shards: str | None,
        workers: int,
        start: Path | None,
        config: TrainConfig,
    ) -> None:
        self.recipe, self.output, self.corpus, self.model = recipe, output, corpus, model
        self.shards = shards.split(",") if shards else None
        self.workers, self.start, self.config = workers, start, config


def _config(recipe: str, settings: list[str]) -> TrainConfig:
    """The recipe's configuration with what was set."""
    from farspan.training.extend import EXTEND
    from farspan.training.passkey import INFINI_PASSKEY
    from farspan.training.recipes import DEFAULT_READER
    from farspan.training.run import parse_settings
    from farspan.training.tiny import TINY

    configs = dict(zip(RECIPES, (DEFAULT_READER, INFINI_PASSKEY, EXTEND, TINY), strict=True))
    return configs[recipe].replace(parse_settings(settings))


def _check(output: Path, device: str, resume: bool, force: bool) -> None:
    """Refuses a missing GPU, and a folder that holds a run, unless it is to go on or be dropped."""
    from farspan.training.recipes import check_device

    check_device(device)
    if resume and force:
        raise RequestError("--resume goes on with a run and --force drops it; give one of them")
    old = sorted(output.glob("step-*"))
    if old and not (resume or force):
        raise RequestError(
            f"{output} holds a run up to {old[-1].name}; give --resume to go on, or --force to "
            "begin anew"
        )
    if force and os.environ.get("RANK", "0") == "0":
        import shutil

        for folder in old:
            shutil.rmtree(folder)
        (output / "log.jsonl").unlink(missing_ok=True)


def _run(asked: _Asked, device: str, common: dict[str, Any]) -> str:
    """Runs the recipe; returns what was done in a sentence."""
    if asked.recipe == "from_scratch_tiny_cpu":
        from farspan.training.tiny import from_scratch_tiny_cpu

        from_scratch_tiny_cpu(asked.output, asked.config, **common)
        return f"wrote {asked.output / 'model'}"
    if asked.recipe == "extend_hf_checkpoint":
        from farspan.models.huggingface import find_checkpoint
        from farspan.training.extend import extend_hf_checkpoint

        assert asked.corpus is not None and asked.model is not None
        base = find_checkpoint(asked.model)
        extend_hf_checkpoint(
            base, asked.corpus, asked.output, asked.config, device=device, **common
        )
        return f"wrote {asked.output}"
    from farspan.models.default import default_model_path

    base = default_model_path(_say)
    if asked.recipe == "infini_passkey":
        from farspan.training.passkey import infini_passkey

        infini_passkey(base, asked.output, asked.config, device=device, **common)
        return f"trained; the checkpoints are in {asked.output}"
    from farspan.training.recipes import default_reader

    assert asked.corpus is not None
    if common["mesh"].shape.ranks > 1 and not (asked.corpus / "corpus.json").is_file():
        raise RequestError(
            f"{asked.corpus} is not prepared, which one process does: run the same command once "
            "without torchrun and with --stop-after 0, then give OUTPUT/corpus as --corpus"
        )
    prepared = _prepared(asked.corpus, asked.output, base, asked.shards, asked.workers)
    adapter = default_reader(
        prepared, base, asked.output, asked.config, device=device, start=asked.start, **common
    )
    if adapter is None:
        return "stopped early; run the same command with --resume to go on"
    return f"wrote {adapter}"


def _prepared(
    corpus: Path, output: Path, base: Path, shards: list[str] | None, workers: int
) -> Path:
    """The prepared corpus: the folder itself, or what is made of it once under `output`."""
    if (corpus / "corpus.json").is_file():
        return corpus
    folder = output / "corpus"
    if not (folder / "corpus.json").is_file():
        from farspan.data.prepare import prepare
        from farspan.models.gguf import read_gguf

        tokenizer = read_gguf(base)[2]
        _say(f"preparing {corpus}; this happens once")

        def progress(done: int, total: int) -> None:
            if done % 20 == 0 or done == total:
                _say(f"prepared {done} of {total} documents")

        prepare(corpus, folder, tokenizer, shards, workers, on_progress=progress)
    return folder


def _say(message: str) -> None:
    print(f"farspan: {message}", file=sys.stderr)
