"""`farspan convert`: a checkpoint with another layer plan and other positions, in a folder."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    as_json: Json = False,
) -> None:
    """Give a checkpoint another layer plan or longer positions, without training.

    The folder loads with farspan (--model DIR) and, after `import farspan`, with transformers'
    AutoModelForCausalLM. It is written whole or not at all.

    Example: farspan convert ./my-qwen --plan "[window(1024)*3, full]*7" --position yarn --factor 4
    -o my-qwen-long
    """
    from farspan.models.convert import convert as convert_model

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
