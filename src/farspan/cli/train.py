"""`farspan train RECIPE`: prepare a corpus, run a recipe, resume it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from farspan.errors import RequestError

RECIPES = ("default_reader",)


def train(
    recipe: Annotated[str, typer.Argument(help=f"What to run: {', '.join(RECIPES)}.")],
    corpus: Annotated[
        Path, typer.Option(help="Folder of .parquet, .txt or .md files, or one prepared before.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for checkpoints, log and adapter.")
    ],
    shards: Annotated[
        str | None, typer.Option(help="Parts of Parquet file names to prepare, by commas.")
    ] = None,
    device: Annotated[str, typer.Option(help="cuda, or cpu for trials.")] = "cuda",
    workers: Annotated[int, typer.Option(min=1, help="Processes that prepare the corpus.")] = 4,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting as field=value; repeatable.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="An adapter to begin with, instead of the base model.")
    ] = None,
    stop_after: Annotated[
        float | None, typer.Option(help="Seconds of training before it stops, resumable.")
    ] = None,
) -> None:
    """Train an adapter. Running the same command again resumes where it stopped.

    Example: farspan train default_reader --corpus books/ -o runs/reader --set steps=1160
    """
    if recipe not in RECIPES:
        raise RequestError(f"unknown recipe {recipe!r}; there are {', '.join(RECIPES)}")
    from farspan.models.default import default_model_path
    from farspan.training.recipes import DEFAULT_READER, check_device, default_reader

    changes = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals:
            raise RequestError(f"--set {setting!r} is not of the form field=value")
        changes[name] = value
    config = DEFAULT_READER.replace(changes)
    check_device(device)
    base = default_model_path(_say)
    prepared = _prepared(corpus, output, base, shards.split(",") if shards else None, workers)
    adapter = default_reader(
        prepared,
        base,
        output,
        config,
        device=device,
        start=start,
        stop_after=stop_after,
        log=lambda row: _say(json.dumps(row)),
    )
    _say("stopped early; run the same command to go on" if adapter is None else f"wrote {adapter}")


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
