"""`farspan convert`: a checkpoint with another layer plan and other positions, in a folder."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farspan.errors import RequestError
from farspan.units import show_length

if TYPE_CHECKING:
    from farspan.models.convert import Conversion

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="smollm2, a folder, a GGUF file or a hub name.", show_default=False
    ),
]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where to write it.")]
PlanText = Annotated[
    str | None, typer.Option("--plan", help="Layer plan: full, reader or a list; else its own.")
]
Position = Annotated[
    str | None, typer.Option(metavar="METHOD", help="Position method: yarn, dual_chunk, ...")
]
Factor = Annotated[float | None, typer.Option(help="How many times longer than trained.")]
Dtype = Annotated[
    str | None, typer.Option(help="bfloat16, float16 or float32; else as the checkpoint has it.")
]
Adapter = Annotated[
    bool, typer.Option("--adapter/--no-adapter", help="Merge smollm2's adapter into its weights.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a model that is in the folder.")]
SearchOn = Annotated[
    Path | None,
    typer.Option(
        "--search-on", metavar="TEXT", help="Search longrope's divisors on a text, for --factor."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def convert(
    model: Model,
    output: Output,
    plan: PlanText = None,
    position: Position = None,
    factor: Factor = None,
    dtype: Dtype = None,
    adapter: Adapter = True,
    force: Force = False,
    search_on: SearchOn = None,
    as_json: Json = False,
) -> None:
    """Give a checkpoint another layer plan or longer positions, without training.

    The folder loads with farspan (--model DIR) and, after `import farspan`, with transformers'
    AutoModelForCausalLM. It is written whole or not at all.

    Example: farspan convert ./my-qwen --plan "[window(1024)*3, full]*7" --position yarn --factor 4
    -o my-qwen-long
    """
    from farspan.models.convert import convert as convert_model

    if search_on is not None:
        if position != "longrope" or factor is None:
            raise RequestError("--search-on goes with --position longrope and --factor")
        position, factor = _searched(model, search_on, factor, plan, adapter), None
    done = convert_model(
        model,
        output,
        plan=plan,
        position=position,
        factor=factor,
        dtype=dtype,
        adapter=adapter,
        force=force,
        say=_say,
    )
    print(json.dumps(asdict(done)) if as_json else _page(done))


def _searched(model: str, text: Path, factor: float, plan: str | None, adapter: bool) -> str:
    """The position method that a search finds on a text."""
    from farspan.data.reader import read_documents
    from farspan.models.load import load_model
    from farspan.search.longrope import search_longrope

    loaded = load_model(model, plan=plan, adapter=adapter)
    ids, _ = loaded.tokenizer.encode_document(read_documents([str(text)]).text)

    def tell(done: int, total: int, best: float) -> None:
        if done % 8 == 0:
            _say(f"tried {done} of {total} lists of divisors, least loss {best:.4f}")

    found = search_longrope(loaded, ids, factor, on_trial=tell)
    start = ", ".join(f"{name} {loss:.4f}" for name, loss in found.start.items())
    _say(f"found divisors with loss {found.loss:.4f} in {found.trials} trials (began at {start})")
    return found.position


def _say(message: str) -> None:
    print(f"farspan: {message}", file=sys.stderr)


def _page(done: Conversion) -> str:
    """What was written, in a few lines."""
    positions = done.position or "as they were"
    return "\n".join(
        (
            f"{done.folder}: {done.parameters:,} parameters in {done.dtype}, {done.added:,} added",
            f"plan: {done.plan}",
            f"positions: {positions}, up to {show_length(done.longest)} tokens",
        )
    )
