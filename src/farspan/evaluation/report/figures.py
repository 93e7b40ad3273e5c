"""The figures of a report, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from farspan.evaluation.report.summary import Cell, Summary
from farspan.units import show_length

COLOURS = ("#1f6feb", "#d1495b", "#2a9d6f", "#e0a030", "#7b52ab", "#3f3f46", "#8c6d46", "#00a0b0")
"""Of the models, in order; they tell apart in print and for the colour-blind."""

HEAT = "RdYlBu"
DPI = 130
PANELS = 3
"""Heat maps in a row."""

PERPLEXITY, COST = "perplexity", "cost"


@dataclass(frozen=True)
class Figure:
    """A drawn figure: the suite that it belongs to (or `perplexity`, `cost`), title and file."""

    suite: str
    title: str
    path: Path


def draw_all(summary: Summary, folder: Path) -> list[Figure]:
    """Draws every figure that the results allow, as PNG files in a folder."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for suite, name, title, figure in _figures(summary):
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=DPI, bbox_inches="tight", facecolor="white")
        figure.clear()
        drawn.append(Figure(suite, title, path))
    return drawn


def _figures(summary: Summary) -> Iterator[tuple[str, str, str, Any]]:
    for suite in summary.suites:
        tasks = summary.measured(suite)
        for task in tasks:
            if any("depth" in r for m in summary.models for r in summary.records(m, [task])):
                name, title = f"depth-{task.replace('/', '-')}", f"{task} by length and depth"
                yield suite, name, title, _depth_maps(summary, task)
        if tasks:
            yield suite, f"length-{suite}", f"{suite} by length", _by_length(summary, suite)
        if len(tasks) > 1:
            title = f"{suite} by task and length"
            yield suite, f"tasks-{suite}", title, _task_maps(summary, suite, tasks)
    if any("place" in record for model in summary.models for record in summary.records(model)):
        yield PERPLEXITY, PERPLEXITY, "Perplexity by position", _perplexity(summary)
    if any(cell.read_seconds for cell in summary.cells):
        yield COST, COST, "Cost by length", _cost(summary)


def _new(width: float, height: float, panels: int = 1, columns: int = 1) -> tuple[Any, list[Any]]:
    """A figure with so many panels in rows of so many columns; the sizes are of one panel."""
    from matplotlib.figure import Figure as Canvas

    columns = min(panels, columns)
    rows = -(-panels // columns)
    figure = Canvas(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flatten()
    for axis in axes[panels:]:
        axis.set_visible(False)
    return figure, list(axes[:panels])


def _depth_maps(summary: Summary, task: str) -> Any:
    """Length × depth, a panel a model; grey where nothing was measured."""
    lengths = sorted({x.length for x in summary.cells if x.task == task})
    models = [m for m in summary.models if summary.records(m, [task])]
    most = max(len(summary.records(m, [task])) for m in models) / len(lengths)
    bins = 10 if most >= 20 else 5
    figure, axes = _new(1.5 + 0.6 * len(lengths), 3.3, len(models), PANELS)
    edges = [f"{100 * i // bins}–{100 * (i + 1) // bins}" for i in range(bins)]
    for number, (axis, model) in enumerate(zip(axes, models, strict=True)):
        total, right = np.zeros((bins, len(lengths))), np.zeros((bins, len(lengths)))
        for record in summary.records(model, [task]):
            row = min(bins - 1, int(record["depth"] * bins))
            column = lengths.index(record["length"])
            total[row, column] += 1
            right[row, column] += record["score"]
        share = np.divide(right, total, out=np.full_like(right, np.nan), where=total > 0)
        image = _heat(axis, share, model, lengths, edges if number % PANELS == 0 else [])
        if number % PANELS == 0:
            axis.set_ylabel("depth, %")
    figure.colorbar(image, ax=axes, label="score, %", shrink=0.8)
    return figure


def _heat(
    axis: Any, share: np.ndarray, title: str, lengths: Sequence[int], rows: Sequence[str]
) -> Any:
    """A matrix of shares with its percentages written in; rows without names where none come."""
    axis.set_facecolor("#e4e4e7")
    image = axis.imshow(100 * share, cmap=HEAT, vmin=0, vmax=100, aspect="auto")
    axis.set_xticks(range(len(lengths)), [show_length(n) for n in lengths])
    axis.set_yticks(range(len(rows)), rows)
    for (row, column), value in np.ndenumerate(share):
        text = "–" if np.isnan(value) else f"{100 * value:.0f}"
        colour = "#18181b" if np.isnan(value) or 0.15 < value < 0.85 else "white"
        axis.text(column, row, text, ha="center", va="center", fontsize=7.5, color=colour)
    axis.tick_params(length=0, labelsize=8)
    axis.set_title(title, fontsize=9)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return image


def _task_maps(summary: Summary, suite: str, tasks: Sequence[str]) -> Any:
    """Task × length, a panel a model."""
    width = 1.5 + 0.6 * len(summary.lengths)
    figure, axes = _new(width, 1 + 0.26 * len(tasks), len(summary.models), PANELS)
    names = [task.split("/")[1] for task in tasks]
    for number, (axis, model) in enumerate(zip(axes, summary.models, strict=True)):
        share = np.array(
            [[_mean(summary.cell(model, task, n)) for n in summary.lengths] for task in tasks]
        )
        image = _heat(axis, share, model, summary.lengths, names if number % PANELS == 0 else [])
    figure.colorbar(image, ax=axes, label="score, %", shrink=0.8)
    return figure


def _mean(cell: Cell | None) -> float:
    return cell.mean if cell is not None and cell.status == "done" else float("nan")


def _by_length(summary: Summary, suite: str) -> Any:
    """Score by length with 95 % bands, a line a model."""
    figure, (axis,) = _new(7.6, 3.4)

    def draw(model: str, colour: str) -> bool:
        cells = [summary.suite_cell(model, suite, n) for n in summary.lengths]
        done = [cell for cell in cells if cell is not None and cell.status == "done"]
        x = [cell.length for cell in done]
        low, high = [100 * cell.low for cell in done], [100 * cell.high for cell in done]
        axis.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
        axis.plot(x, [100 * cell.mean for cell in done], "o-", color=colour, label=model, ms=4)
        return bool(done)

    _lines(summary, axis, draw)
    axis.set_ylim(-3, 103)
    axis.set_ylabel("score, % (band: 95 %)")
    return figure


def _lines(summary: Summary, axis: Any, draw: Callable[[str, str], bool]) -> None:
    """A line a model over lengths."""
    for number, model in enumerate(summary.models):
        draw(model, COLOURS[number % len(COLOURS)])
    axis.set_xscale("log", base=2)
    axis.set_xticks(summary.lengths, [show_length(n) for n in summary.lengths])
    axis.minorticks_off()
    axis.set_xlabel("length, tokens")
    axis.grid(color="#e4e4e7", linewidth=0.8)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _perplexity(summary: Summary) -> Any:
    """exp of the mean loss at each place of the longest text that a model has read."""
    figure, (axis,) = _new(7.6, 3.4)
    places: set[int] = set()

    def draw(model: str, colour: str) -> bool:
        records = [r for r in summary.records(model) if "place" in r]
        if not records:
            return False
        longest = max(r["length"] for r in records)
        by_place: dict[int, list[float]] = {}
        for record in records:
            if record["length"] == longest:
                by_place.setdefault(record["place"], []).append(record["score"])
        places.update(by_place)
        x = sorted(by_place)
        y = [float(np.exp(np.mean(by_place[place]))) for place in x]
        axis.plot(x, y, "o-", color=colour, label=f"{model} ({show_length(longest)})", ms=4)
        return True

    _lines(summary, axis, draw)
    ticks = sorted(places)
    axis.set_xticks(ticks, [show_length(n) for n in ticks])
    axis.set_xlabel("tokens read before")
    axis.set_ylabel("perplexity of the next tokens")
    return figure


def _cost(summary: Summary) -> Any:
    """Seconds to read one document, and peak memory, against its length."""
    figure, (time_axis, memory_axis) = _new(5.2, 3.2, 2, 2)

    def rows(model: str) -> list[tuple[int, float, int]]:
        found = []
        for length in summary.lengths:
            cells = [x for x in summary.cells if (x.model, x.length) == (model, length)]
            read, samples = sum(x.read_seconds for x in cells), sum(x.samples for x in cells)
            if read:
                found.append((length, read / samples, max(x.peak_bytes for x in cells)))
        return found

    def draw_time(model: str, colour: str) -> bool:
        found = rows(model)
        time_axis.plot(
            [x for x, _, _ in found],
            [y for _, y, _ in found],
            "o-",
            color=colour,
            label=model,
            ms=4,
        )
        return bool(found)

    def draw_memory(model: str, colour: str) -> bool:
        found = [(x, z / 2**30) for x, _, z in rows(model) if z]
        memory_axis.plot(
            [x for x, _ in found], [z for _, z in found], "o-", color=colour, label=model, ms=4
        )
        return bool(found)

    _lines(summary, time_axis, draw_time)
    _lines(summary, memory_axis, draw_memory)
    time_axis.get_legend().remove()
    time_axis.set_yscale("log")
    time_axis.set_ylabel("seconds to read a document")
    memory_axis.set_ylabel("peak memory, GiB")
    memory_axis.set_ylim(bottom=0)
    return figure
