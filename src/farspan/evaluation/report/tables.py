"""The results as Markdown, for READMEs and for reading in a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from farspan.evaluation.report.summary import Cell, Summary
from farspan.units import show_length


def markdown(summary: Summary) -> str:
    """All tables: suites by model and length, tasks by model and length, cost, what is not done."""
    parts = ["# farspan eval", "", *_runs(summary), ""]
    for suite in summary.suites:
        parts += [f"## {suite}", "", *_suite(summary, suite), ""]
    if summary.losses():
        parts += ["## perplexity", "", *_perplexity(summary), ""]
    parts += ["## Cost", "", *_cost(summary), ""]
    if left := left_out(summary):
        parts += ["## Not measured", "", *left, ""]
    return "\n".join(parts)


def show_cell(cell: Cell | None) -> str:
    """A cell in a few characters: percent right, its interval and the number of answers."""
    if cell is None:
        return "–"
    if cell.status != "done":
        return cell.status
    low, high = round(100 * cell.low), round(100 * cell.high)
    return f"{100 * cell.mean:.0f} ({low}–{high}), n={len(cell.scores)}"


def _runs(summary: Summary) -> list[str]:
    lines = ["| model | what it is | seed | haystack | last run |", "|---|---|---|---|---|"]
    for one in summary.results:
        last = one.invocations[-1] if one.invocations else {}
        about = ", ".join(f"{k} {v}" for k, v in last.get("about", {}).items())
        lines.append(
            f"| {one.model} | {about} | {one.run['seed']} | {one.run['haystack']} |"
            f" {last.get('date', '')}, {last.get('hardware', '')} |"
        )
    return lines


def _suite(summary: Summary, suite: str) -> list[str]:
    """Percent right with 95 % intervals; RULER's effective length behind the mean."""
    tasks = summary.measured(suite)
    columns = [show_length(length) for length in summary.lengths]
    lines = [
        f"| model | task | {' | '.join(columns)} | effective length |",
        "|---|---|" + "---|" * (len(columns) + 1),
    ]
    for model in summary.models:
        if len(tasks) > 1:
            mean = [show_cell(summary.suite_cell(model, suite, n)) for n in summary.lengths]
            lines.append(
                f"| {model} | **all** | {' | '.join(mean)} | {_bar(summary, model, suite)} |"
            )
        for task in tasks:
            row = [show_cell(summary.cell(model, task, n)) for n in summary.lengths]
            last = _bar(summary, model, suite) if len(tasks) == 1 else ""
            lines.append(f"| {model} | {task.split('/')[1]} | {' | '.join(row)} | {last} |")
    return lines


def show_perplexity(cell: Cell | None) -> str:
    """exp of a cell's mean loss and the number of losses."""
    if cell is None or cell.status != "done":
        return show_cell(cell)
    return f"{math.exp(cell.mean):.2f}, n={len(cell.scores)}"


def _perplexity(summary: Summary) -> list[str]:
    columns = [show_length(length) for length in summary.lengths]
    lines = [f"| model | task | {' | '.join(columns)} |", "|---|---|" + "---|" * len(columns)]
    for task in summary.losses():
        for model in summary.models:
            cells = [summary.cell(model, task, n) for n in summary.lengths]
            row = " | ".join(show_perplexity(cell) for cell in cells)
            lines.append(f"| {model} | {task.split('/')[1]} | {row} |")
    return lines


def _bar(summary: Summary, model: str, suite: str) -> str:
    found = summary.effective(model, suite)
    return "none" if found is None else show_length(found)


def _cost(summary: Summary) -> list[str]:
    lines = [
        "| model | length | samples | wall time | reading, tokens/s | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    for row in summary.costs():
        speed = f"{row.read_tokens_per_second:,.0f}" if row.read_tokens_per_second else "–"
        peak = f"{row.peak_bytes / 2**30:.2f} GiB" if row.peak_bytes else "–"
        lines.append(
            f"| {row.model} | {show_length(row.length)} | {row.samples} | {row.seconds:,.0f} s |"
            f" {speed} | {peak} |"
        )
    return lines


def left_out(summary: Summary) -> Sequence[str]:
    """One line a model and reason, with the cells it holds for."""
    reasons: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in summary.cells:
        if cell.status != "done":
            reasons.setdefault((cell.model, cell.status, cell.reason), []).append(cell)
    lines = []
    for (model, status, reason), cells in reasons.items():
        lengths = ", ".join(show_length(n) for n in sorted({x.length for x in cells}))
        tasks = ", ".join(dict.fromkeys(x.task for x in cells))
        lines.append(f"- {model} at {lengths} ({tasks}): {status}, {reason}")
    return lines
