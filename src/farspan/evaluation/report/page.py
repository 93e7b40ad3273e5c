"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterator, Sequence

from farspan.evaluation.report.figures import Figure
from farspan.evaluation.report.summary import Cell, Summary
from farspan.evaluation.report.tables import left_out, show_cell, show_perplexity
from farspan.units import show_length

_STYLE = """
:root { --ink: #18181b; --soft: #52525b; --line: #e4e4e7; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); margin: 2.5rem auto;
  max-width: 72rem; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .87rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .87rem; }
th, td { padding: .32rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 600; color: var(--soft); }
th:first-child, td:first-child, td.name, th.name { text-align: left; }
td small { color: var(--soft); } tr.all td { font-weight: 600; } tr.all small { font-weight: 400; }
td.none { color: var(--soft); font-style: italic; }
figure { margin: 1rem 0; } figcaption { font-size: .87rem; color: var(--soft); }
img { max-width: 100%; height: auto; }
pre { background: #f4f4f5; padding: .7rem; font-size: .8rem; overflow-x: auto; }
"""


def page(summary: Summary, figures: Sequence[Figure]) -> str:
    """The whole page; figures go in as data."""
    body = [*_head(summary)]
    for suite in summary.suites:
        if summary.measured(suite):
            body += [f"<h2>{_text(suite)}</h2>", *_figures(figures, suite), *_suite(summary, suite)]
    if summary.losses():
        body += ["<h2>perplexity</h2>", *_figures(figures, "perplexity"), *_perplexity(summary)]
    body += ["<h2>Cost</h2>", *_figures(figures, "cost"), *_cost(summary)]
    body += [*_left_out(summary), *_runs(summary)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>farspan eval</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _head(summary: Summary) -> Iterator[str]:
    lengths = ", ".join(show_length(n) for n in summary.lengths)
    yield "<h1>What the context is worth</h1>"
    yield (
        f'<p class="soft">{len(summary.models)} model(s) at {lengths} tokens. Scores are percent,'
        " in brackets the 95 % interval (Wilson for right and wrong, bootstrap for averages), n"
        " the number of answers. Lengths count document, question, answer and chat format.</p>"
    )


def _figures(figures: Sequence[Figure], suite: str) -> Iterator[str]:
    for figure in figures:
        if figure.suite == suite:
            data = base64.b64encode(figure.path.read_bytes()).decode()
            title = _text(figure.title)
            yield (
                f'<figure><img alt="{title}" src="data:image/png;base64,{data}">'
                f"<figcaption>{title}</figcaption></figure>"
            )


def _suite(summary: Summary, suite: str) -> Iterator[str]:
    tasks = summary.measured(suite)
    columns = "".join(f"<th>{show_length(n)}</th>" for n in summary.lengths)
    yield '<div class="wide"><table><tr><th>model</th><th class="name">task</th>'
    yield f"{columns}<th>effective length</th></tr>"
    for model in summary.models:
        bar = summary.effective(model, suite)
        effective = f"<td>{'none' if bar is None else show_length(bar)}</td>"
        if len(tasks) > 1:
            cells = [summary.suite_cell(model, suite, n) for n in summary.lengths]
            yield _row(model, "all tasks", cells, effective, "all")
        for task in tasks:
            cells = [summary.cell(model, task, n) for n in summary.lengths]
            last = effective if len(tasks) == 1 else "<td></td>"
            yield _row(model, task.split("/")[1], cells, last)
    yield "</table></div>"
    yield (
        '<p class="soft">Effective length: the longest up to which every measured length scores'
        " 85.6 % or more, the bar that RULER sets.</p>"
    )


def _perplexity(summary: Summary) -> Iterator[str]:
    columns = "".join(f"<th>{show_length(n)}</th>" for n in summary.lengths)
    yield '<div class="wide"><table><tr><th>model</th><th class="name">task</th>'
    yield f"{columns}</tr>"
    for task in summary.losses():
        for model in summary.models:
            cells = [summary.cell(model, task, n) for n in summary.lengths]
            inner = "".join(f"<td>{show_perplexity(cell)}</td>" for cell in cells)
            name = f'<td class="name">{_text(task.split("/")[1])}</td>'
            yield f"<tr><td>{_text(model)}</td>{name}{inner}</tr>"
    yield "</table></div>"


def _row(model: str, task: str, cells: Sequence[Cell | None], last: str, kind: str = "") -> str:
    inner = "".join(_cell(cell) for cell in cells)
    name = f'<td>{_text(model)}</td><td class="name">{_text(task)}</td>'
    return f'<tr class="{kind}">{name}{inner}{last}</tr>'


def _cell(cell: Cell | None) -> str:
    """A score on the ground of the heat maps, paler."""
    if cell is None or cell.status != "done":
        reason = _text(cell.reason) if cell else ""
        return f'<td class="none" title="{reason}">{show_cell(cell)}</td>'
    mean, _, rest = show_cell(cell).partition(" ")
    ground = f"rgb({' '.join(str(x) for x in _ground(cell.mean))})"
    return f'<td style="background:{ground}">{mean} <small>{rest}</small></td>'


_RED, _YELLOW, _BLUE = (244, 178, 160), (255, 250, 205), (168, 200, 232)


def _ground(mean: float) -> list[int]:
    """From red over yellow to blue."""
    low, high = (_RED, _YELLOW) if mean < 0.5 else (_YELLOW, _BLUE)
    share = 2 * mean % 1 if mean < 1 else 1.0
    return [round(a + share * (b - a)) for a, b in zip(low, high, strict=True)]


def _cost(summary: Summary) -> Iterator[str]:
    yield '<div class="wide"><table><tr><th>model</th><th>length</th><th>samples</th>'
    yield "<th>wall time</th><th>reading, tokens/s</th><th>peak memory</th></tr>"
    for row in summary.costs():
        speed = f"{row.read_tokens_per_second:,.0f}" if row.read_tokens_per_second else "–"
        peak = f"{row.peak_bytes / 2**30:.2f} GiB" if row.peak_bytes else "–"
        yield (
            f"<tr><td>{_text(row.model)}</td><td>{show_length(row.length)}</td>"
            f"<td>{row.samples}</td><td>{row.seconds:,.0f} s</td>"
            f"<td>{speed}</td><td>{peak}</td></tr>"
        )
    yield "</table></div>"


def _left_out(summary: Summary) -> Iterator[str]:
    lines = left_out(summary)
    if lines:
        yield "<h2>Not measured</h2><ul>"
        yield from (f"<li>{_text(line.removeprefix('- '))}</li>" for line in lines)
        yield "</ul>"


def _runs(summary: Summary) -> Iterator[str]:
    """The manifest of every model: what the samples depend on, and every start."""
    yield "<h2>How it was run</h2>"
    for one in summary.results:
        manifest = {"run": one.run, "invocations": one.invocations}
        text = _text(json.dumps(manifest, indent=1, ensure_ascii=False))
        yield f"<details><summary>{_text(one.model)}</summary><pre>{text}</pre></details>"


def _text(text: str) -> str:
    return html.escape(text, quote=True)
