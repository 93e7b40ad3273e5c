"""`farspan data generate`: synthetic long-context data from any documents."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farspan.cli.progress import GenerationBar
from farspan.errors import RequestError
from farspan.units import parse_length

if TYPE_CHECKING:
    from farspan.data.generation.run import Made
    from farspan.models.tokenizer import Tokenizer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make training data: tasks over long documents with exact answers.",
)

Paths = Annotated[
    list[str],
    typer.Argument(metavar="PATH...", help="Files and folders, or one prepared library."),
]
Model = Annotated[
    str | None,
    typer.Option(metavar="NAME|PATH", help="Whose tokens count: smollm2, a folder or GGUF file."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes; by default all cores.", show_default=False)
]
Licence = Annotated[str | None, typer.Option(help="Licence of files that do not say their own.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def generate(
    paths: Paths,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the data set.")],
    length: Annotated[str, typer.Option(help="Tokens a row: 4k to 10m.")] = "128k",
    samples: Annotated[int, typer.Option(help="Rows.")] = 100,
    seed: Annotated[int, typer.Option(help="Another seed draws other rows.")] = 0,
    workers: Workers = None,
    mix: Annotated[
        str, typer.Option(help="levels, local, medium, global, needles ..., or a JSON file.")
    ] = "levels",
    split: Annotated[str, typer.Option(help="Wordings to use: train, or test's own.")] = "train",
    format: Annotated[str, typer.Option(help="parquet or jsonl.")] = "parquet",
    model: Model = None,
    licence: Licence = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the data set in -o.")] = False,
    as_json: Json = False,
) -> None:
    """Make a data set that `datasets.load_dataset` reads, with a data card.

    Example: farspan data generate books/ --length 128k --samples 1000 -o tasks
    """
    from farspan.data.generation.run import Request
    from farspan.data.generation.run import generate as make

    request = Request(parse_length(length), samples, seed, mix, split, format, licence)
    started = time.perf_counter()
    with GenerationBar() as bar:
        try:
            made = make(
                paths,
                output,
                request,
                lambda: _tokenizer(model),
                workers=workers or os.cpu_count() or 1,
                resume=resume,
                force=force,
                on_progress=bar,
                say=_say,
            )
        except KeyboardInterrupt as error:
            raise KeyboardInterrupt(
                f"interrupted; what is done is kept in {output}, --resume goes on"
            ) from error
    report = _report(made, time.perf_counter() - started)
    if as_json:
        print(json.dumps(report))
    else:
        print(
            f"{report['rows']:,} rows, {report['tokens']:,} tokens in {made.folder}"
            f" ({report['tokens_per_second']:,.0f} tokens/s, {made.skipped} files skipped)"
        )


@app.command()
def prepare(
    paths: Paths,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the library.")],
    workers: Workers = None,
    model: Model = None,
    licence: Licence = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the library in -o.")] = False,
    as_json: Json = False,
) -> None:
    """Read and tokenise documents once, for several data sets.

    Example: farspan data prepare books/ -o library
    """
    from farspan.data.generation.library import ABOUT, Library
    from farspan.data.generation.prepare import prepare_library
    from farspan.data.generation.run import Progress
    from farspan.data.sources import find_sources, tell_skipped

    if output.exists() and not (force and (output / ABOUT).is_file()):
        raise RequestError(f"-o {output} exists; name a new folder, or --force a library's")
    started = time.perf_counter()
    with GenerationBar() as bar:
        _, skipped = prepare_library(
            find_sources(paths),
            output,
            _tokenizer(model),
            workers=workers or os.cpu_count() or 1,
            licence=licence,
            on_progress=lambda n, tokens: bar(Progress("preparing", n, 0, tokens)),
        )
    for line in tell_skipped(skipped):
        _say(line)
    library = Library(output)
    report = {
        "folder": str(output),
        "documents": len(library.entries),
        "tokens": library.n_tokens,
        "skipped": len(skipped),
        "seconds": round(time.perf_counter() - started, 2),
    }
    if as_json:
        print(json.dumps(report))
    else:
        print(
            f"{report['documents']:,} documents, {report['tokens']:,} tokens in {output}"
            f" ({len(skipped)} files skipped)"
        )


@app.command()
def write(
    library: Annotated[str, typer.Argument(help="A library that `prepare` made.")],
    endpoint: Annotated[
        str, typer.Option(metavar="URL#MODEL", help="OpenAI-compatible: http://HOST/v1#MODEL.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the data set.")],
    length: Annotated[str, typer.Option(help="Tokens a row.")] = "32k",
    samples: Annotated[int, typer.Option(min=1, help="Rows.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other rows.")] = 0,
    as_json: Json = False,
) -> None:
    """Dialogues whose questions a model writes; the same command goes on where it stopped.

    Example: farspan data write library --endpoint http://localhost:8000/v1#m -o dialogues
    """
    from farspan.data.generation.run import write_dialogues
    from farspan.data.generation.written import endpoint as connect

    rows, questions = write_dialogues(
        library, output, connect(endpoint), parse_length(length), samples, seed, say=_say
    )
    if as_json:
        print(json.dumps({"folder": str(output), "rows": rows, "questions": questions}))
    else:
        print(f"{rows:,} rows with {questions:,} questions in {output}")


def _tokenizer(model: str | None) -> Tokenizer:
    """The tokenizer of the default model, of a GGUF file or of a checkpoint's folder."""
    from farspan.models.default import DEFAULT_MODEL, default_model_path
    from farspan.models.gguf_header import read_header
    from farspan.models.tokenizer import Tokenizer

    if model in (None, DEFAULT_MODEL):
        return Tokenizer.from_gguf(read_header(default_model_path(_say)).fields)
    path = Path(str(model))
    if path.is_dir():
        return Tokenizer.from_folder(path)
    if path.suffix == ".gguf" and path.is_file():
        return Tokenizer.from_gguf(read_header(path).fields)
    raise RequestError(f"--model {model} is no folder or GGUF file; name one, or {DEFAULT_MODEL}")


def _report(made: Made, seconds: float) -> dict[str, Any]:
    tokens = sum(made.notes.tokens.values())
    return {
        "folder": str(made.folder),
        "rows": sum(made.notes.rows.values()),
        "questions": sum(made.notes.questions.values()),
        "tokens": tokens,
        "shards": made.shards,
        "families": dict(sorted(made.notes.rows.items())),
        "levels": dict(made.notes.levels),
        "skipped": made.skipped,
        "drawn_again": dict(sorted(made.notes.thrown.items())),
        "seconds": round(seconds, 2),
        "tokens_per_second": round(tokens / seconds, 1),
    }


def _say(message: str) -> None:
    print(f"farspan: {message}", file=sys.stderr)
