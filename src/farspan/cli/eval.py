"""`farspan eval SUITE...`: measure what models do with long contexts, and write a report."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farspan.errors import RequestError
from farspan.units import parse_lengths

if TYPE_CHECKING:
    from farspan.evaluation.campaign import Campaign
    from farspan.evaluation.suites import Files


def eval(
    suites: Annotated[
        list[str] | None,
        typer.Argument(help="Suites or tasks: niah, ruler, ruler/vt ... (--list shows all)."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="What to measure; repeatable. Without it the default model."),
    ] = None,
    lengths: Annotated[str, typer.Option(help="Context lengths: 8k,128k,1m ...")] = "8k,32k",
    samples: Annotated[int, typer.Option(help="Samples a task and length.")] = 20,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for results and report.")
    ] = Path("eval"),
    baselines: Annotated[
        bool, typer.Option(help="Add the baselines on the default model's weights.")
    ] = False,
    haystack: Annotated[
        str, typer.Option(help="Text to hide things in: book, filler, a file or a folder.")
    ] = "book",
    squad: Annotated[Path | None, typer.Option(help="SQuAD file, for ruler/qa_1.")] = None,
    hotpot: Annotated[Path | None, typer.Option(help="HotpotQA file, for ruler/qa_2.")] = None,
    babi: Annotated[
        Path | None, typer.Option(help="Folder of bAbI files; without it a simulator.")
    ] = None,
    code: Annotated[
        Path | None, typer.Option(help="Folder of Python sources; without it Python's own library.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other samples.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str | None, typer.Option(help="bfloat16 or float32.")] = None,
    plan: Annotated[str | None, typer.Option(help="Layer plan of farspan models.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that make samples ahead of a GPU.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop after this time; the same command goes on.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Start over in a folder with results.")] = False,
    report_only: Annotated[bool, typer.Option(help="Write the report of -o again.")] = False,
    list_all: Annotated[bool, typer.Option("--list", help="Show suites and tasks.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure models on long-context suites. The same command goes on where it was stopped.

    Models: the default, a checkpoint, hf:NAME, http://HOST/v1#MODEL, oracle, silent, NAME+yarn ...

    Example: farspan eval niah ruler --lengths 8k,32k --samples 20 --baselines -o results
    """
    from farspan.evaluation.campaign import Campaign
    from farspan.evaluation.models.catalog import Options, baselines_of
    from farspan.evaluation.report.write import write_report
    from farspan.evaluation.suites import Files
    from farspan.models.default import DEFAULT_MODEL

    files = Files(squad, hotpot, babi, code)
    if list_all:
        print(_listing(files))
        return
    whole = True
    if not report_only:
        if not suites:
            raise RequestError("name at least one suite, such as niah; --list shows all")
        names = list(model or [DEFAULT_MODEL])
        names += baselines_of(DEFAULT_MODEL, _say) if baselines else []
        campaign = Campaign(
            tuple(suites),
            tuple(dict.fromkeys(names)),
            parse_lengths(lengths),
            samples,
            output,
            seed=seed,
            haystack=haystack,
            files=files,
            options=Options(device, dtype, plan),
            workers=workers,
            seconds=seconds,
            force=force,
            command=shlex.join(["farspan", *sys.argv[1:]]),
        )
        whole = _run(campaign, output)
    if not whole and not any(output.glob("*.jsonl")):
        _say("the time was up before anything was measured; the same command goes on")
        return
    summary = write_report(output, _say)
    if as_json:
        print(json.dumps(summary.to_json()))
    else:
        print((output / "report.md").read_text(encoding="utf-8"))
    _say(f"the report is {output / 'report.html'}")
    if not whole:
        _say("the time was up; the same command goes on")
    if failed := [cell for cell in summary.cells if cell.status == "failed"]:
        _say(f"{len(failed)} cells failed ({failed[0].reason}); the same command tries them again")
        raise typer.Exit(1)


def _run(campaign: Campaign, output: Path) -> bool:
    """The campaign with its progress shown; Ctrl-C still leaves a report of what is done."""
    from farspan.cli.progress import EvaluationBar
    from farspan.evaluation.report.write import write_report

    with EvaluationBar() as bar:
        try:
            return campaign.run(_say, bar)
        except KeyboardInterrupt:
            bar.close()
            write_report(output, _say)
            raise KeyboardInterrupt(
                f"interrupted; the same command goes on, {output / 'report.html'} shows what is"
                " done"
            ) from None


def _listing(files: Files) -> str:
    from farspan.evaluation.suites import SUITES, suite_tasks

    lines = []
    for suite in SUITES:
        for task in suite_tasks(suite, files):
            note = f" (needs: {task.missing})" if task.missing else ""
            lines.append(f"{task.name:28} {task.source}{note}")
    return "\n".join(lines)


def _say(message: str) -> None:
    print(f"farspan: {message}", file=sys.stderr)
