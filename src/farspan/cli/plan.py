"""`farspan plan`: the price of a layer plan, and what its layers see, before anything is loaded."""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farspan.units import parse_length, show_length

if TYPE_CHECKING:
    from farspan.apps.plan import Estimate
    from farspan.apps.plan_mesh import MeshPlan
    from farspan.evaluation.masks import Mask
    from farspan.models.cost import PlanCost

Model = Annotated[str, typer.Argument(help="smollm2, a folder, a GGUF file or a hub name.")]
PlanText = Annotated[str | None, typer.Option("--plan", help="Layer plan: full, reader or a list.")]
Tokens = Annotated[str, typer.Option(help="How long a text to read: 8k, 1m ...")]
Position = Annotated[str | None, typer.Option(metavar="METHOD", help="Position method.")]
Factor = Annotated[float | None, typer.Option(help="How many times longer than trained.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Dtype = Annotated[str | None, typer.Option(help="bfloat16 or float32.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Gpus = Annotated[int | None, typer.Option(help="Propose a mesh for so many GPUs instead.")]
Gpu = Annotated[str, typer.Option(help="With --gpus: h100, h200, a100 or l40s.")]
Training = Annotated[bool, typer.Option("--train", help="With --gpus: training, not reading.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE.png", help="Draw a picture too.")
]


def plan(
    model: Model = "smollm2",
    plan_text: PlanText = None,
    tokens: Tokens = "1m",
    position: Position = None,
    factor: Factor = None,
    device: Device = "auto",
    dtype: Dtype = None,
    as_json: Json = False,
    output: Output = None,
    gpus: Gpus = None,
    gpu: Gpu = "h100",
    training: Training = False,
) -> None:
    """Say what reading with a layer plan costs, beside full attention, and draw its masks.

    Parameters, state, operations and the least time, from shapes and a measurement of this
    machine that takes a second; no weights are loaded.

    Example: farspan plan smollm2 --plan "[window(512)*4, full]*6" --tokens 1m -o plan.png
    """
    length = parse_length(tokens)
    if gpus is not None:
        from farspan.apps.plan_mesh import plan_mesh

        meshes = plan_mesh(
            model,
            plan=plan_text,
            tokens=length,
            gpus=gpus,
            gpu=gpu,
            training=training,
            say=_say,
        )
        print(json.dumps(meshes.report()) if as_json else _meshes(meshes))
        return

    from farspan.apps.plan import estimate
    from farspan.apps.plan_picture import draw

    found = estimate(
        model,
        plan=plan_text,
        tokens=length,
        device=device,
        dtype=dtype,
        position=position,
        factor=factor,
        say=_say,
    )
    if output is not None:
        draw(found, output)
    print(json.dumps(found.report()) if as_json else _page(found))


def _say(message: str) -> None:
    print(f"farspan: {message}", file=sys.stderr)


def _page(found: Estimate) -> str:
    """Totals beside full attention, a line a run of equal layers, and a picture a kind."""
    length = show_length(found.cost.tokens)
    stretched = f", positions {found.position}" if found.position else ""
    lines = [f"{found.model}, {length} tokens, {found.dtype} on {found.device}{stretched}"]
    lines += [f"plan: {found.cost.plan}", "", *_totals(found), "", *_layers(found.cost)]
    if idle := [i for i, layer in enumerate(found.cost.layers) if not layer.traffic_bytes]:
        lines.append(f"Read tokens stop below layer {idle[0]}; asked ones pass all layers.")
    lines += ["", "What each kind of layer depends on, queries downwards (darker: more)"]
    for name, mask in found.masks.items():
        lines += ["", f"  {name}{_about(mask)}", *(f"    {line}" for line in mask.lines())]
    return "\n".join(lines)


def _meshes(found: MeshPlan) -> str:
    """A line a mesh, those that fit first, and what the numbers are."""
    work = "training on" if found.training else "reading"
    count = found.predictions[0].mesh.ranks
    lines = [
        f"{found.model}, {work} {show_length(found.tokens)} tokens, {count} x {found.gpu.name}",
        f"plan: {found.plan}",
        "",
        f"{'data':>5}{'sequence':>10}{'tensor':>8}{'a GPU holds':>14}{'a row takes':>14}"
        f"{'exchanges':>12}{'rows/h':>12}",
    ]
    for one in found.predictions:
        mesh = one.mesh
        lines.append(
            f"{mesh.data:>5}{mesh.sequence:>10}{mesh.tensor:>8}{_bytes(one.bytes_a_gpu):>14}"
            f"{_time(one.seconds):>14}{one.exchange_seconds / one.seconds:>12.1%}"
            f"{mesh.data * 3600 / one.seconds:>12,.0f}" + ("" if one.fits else "  does not fit")
        )
    best = found.predictions[0]
    axes = ",".join(f"{k}={getattr(best.mesh, k)}" for k in ("data", "sequence", "tensor"))
    lines += [
        "",
        f"Best by rows an hour: --mesh {axes}" if best.fits else "None of them fits: more GPUs.",
        "Predicted from shapes and published speeds at 40 % of the peak, not measured"
        " (docs/parallel.md).",
    ]
    return "\n".join(lines)


def _totals(found: Estimate) -> list[str]:
    pairs = (found.cost, found.short), (found.full, found.full_short)
    rows = [("", "this plan", "full attention")]
    for name, show in (
        ("parameters", lambda c, s: _count(c.parameters)),
        ("state", lambda c, s: _bytes(c.state_bytes)),
        ("attention FLOPs", lambda c, s: _count(c.attention_flops)),
        ("all FLOPs", lambda c, s: _count(c.flops)),
        ("attention a token, against 4k", lambda c, s: f"{found.growth(c, s):.1f} x"),
        ("reading takes at least", lambda c, s: _time(found.seconds(c))),
        ("tokens/s at most", lambda c, s: f"{c.tokens / found.seconds(c):,.0f}"),
    ):
        own, full = (show(*pair) for pair in pairs)
        rows.append((name, own, full))
    measured = found.roofline
    note = (
        f"(this machine: {_count(measured.flops_per_second)}FLOP/s in matrix products,"
        f" {_bytes(measured.bytes_per_second)}/s copied)"
    )
    return [f"{name:31}{own:>14}{full:>18}" for name, own, full in rows] + [note]


def _layers(cost: PlanCost) -> list[str]:
    lines = [f"{'layers':8}{'mixer':34}{'state':>12}{'attention':>12}{'all FLOPs':>12}   (each)"]
    for layer, run in groupby(enumerate(cost.layers), key=lambda pair: pair[1]):
        index = [i for i, _ in run]
        which = f"{index[0]}-{index[-1]}" if len(index) > 1 else f"{index[0]}"
        lines.append(
            f"{which:8}{layer.mixer:34}{_bytes(layer.state_bytes):>12}"
            f"{_count(layer.attention_flops):>12}{_count(layer.flops):>12}"
        )
    return lines


def _about(mask: Mask) -> str:
    scale = f": {2 * mask.scale} tokens a line" if mask.scale > 1 else ""
    return scale + ("; the last quarter is asked" if mask.asked_from < len(mask.strength) else "")


def _count(number: float) -> str:
    """1.5 G for 1,500,000,000."""
    for unit in ("", "k", "M", "G", "T", "P", "E"):
        if number < 999.5 or unit == "E":
            return f"{number:.3g} {unit}"
        number /= 1000
    raise AssertionError


def _bytes(number: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if number < 999.5 or unit == "PiB":
            return f"{number:.3g} {unit}"
        number /= 1024
    raise AssertionError


def _time(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.3g} s"
