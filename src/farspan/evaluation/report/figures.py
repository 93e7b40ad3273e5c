"""The figures of a report, drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from farspan.evaluation.report.summary import Cell, Summary, is_loss
from farspan.units import show_length

COLOURS = ("#1f6feb", "#d1495b", "#2a9d6f", "#e0a030", "#7b52ab", "#3f3f46", "#8c6d46", "#00a0b0")
"""Of the models, in order; they tell apart in print and for the colour-blind."""

HEAT = "RdYlGn"
DPI = 130


def draw_all(summary: Summary, folder: Path) -> list[tuple[str, Path]]:
    """Draws every figure that the results allow; a title with each PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, title, figure in _figures(summary):
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=DPI, bbox_inches="tight", facecolor="white")
        figure.clear()
        drawn.append((title, path))
    return drawn


def _figures(summary: Summary) -> Iterator[tuple[str, str, Any]]:
    for task in dict.fromkeys(x.task for x in summary.cells):
        if any("depth" in r for m in summary.models for r in summary.records(m, [task])):
            name = task.replace("/", "-")
            yield f"depth-{name}", f"{task}: by length and depth", _depth_maps(summary, task)
    for suite in summary.suites:
        yield f"length-{suite}", f"{suite}: by length", _by_length(summary, suite)
        if len(summary.tasks(suite)) > 1:
            yield f"tasks-{suite}", f"{suite}: by task and length", _task_maps(summary, suite)
    if any(is_loss(cell.task) and cell.status == "done" for cell in summary.cells):
        yield "perplexity", "Perplexity by position", _perplexity(summary)
    if any(cell.read_seconds for cell in summary.cells):
        yield "cost", "Cost by length", _cost(summary)


def _new(width: float, height: float, columns: int = 1) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(axes)


def _depth_maps(summary: Summary, task: str) -> Any:
    """Length × depth, a panel a model; grey where nothing was measured."""
    lengths = sorted({x.length for x in summary.cells if x.task == task})
    models = [m for m in summary.models if summary.records(m, [task])]
    most = max(len(summary.records(m, [task])) for m in models) / len(lengths)
    bins = 10 if most >= 20 else 5
    figure, axes = _new(1.6 + (1.2 + 0.62 * len(lengths)) * len(models), 3.6, len(models))
    for axis, model in zip(axes, models, strict=True):
        total, right = np.zeros((bins, len(lengths))), np.zeros((bins, len(lengths)))
        for record in summary.records(model, [task]):
            row = min(bins - 1, int(record["depth"] * bins))
            column = lengths.index(record["length"])
            total[row, column] += 1
            right[row, column] += record["score"]
        share = np.divide(right, total, out=np.full_like(right, np.nan), where=total > 0)
        image = _heat(axis, share, [show_length(n) for n in lengths])
        edges = [f"{100 * i // bins}–{100 * (i + 1) // bins}" for i in range(bins)]
        axis.set_yticks(range(bins), edges)
        axis.set_title(model, fontsize=9)
        axis.set_xlabel("length, tokens")
    axes[0].set_ylabel("depth of the needle, %")
    figure.colorbar(image, ax=axes, label="right, %", shrink=0.9)
    return figure


def _heat(axis: Any, share: np.ndarray, columns: Sequence[str]) -> Any:
    """A matrix of shares with its percentages written in."""
    axis.set_facecolor("#e4e4e7")
    image = axis.imshow(100 * share, cmap=HEAT, vmin=0, vmax=100, aspect="auto")
    axis.set_xticks(range(len(columns)), columns)
    for (row, column), value in np.ndenumerate(share):
        text = "–" if np.isnan(value) else f"{100 * value:.0f}"
        axis.text(column, row, text, ha="center", va="center", fontsize=7, color="#18181b")
    axis.tick_params(length=0, labelsize=8)
    for spine in axis.spines.values():
        spine.set_visible(False)
    return image


def _task_maps(summary: Summary, suite: str) -> Any:
    """Task × length, a panel a model."""
    tasks = summary.tasks(suite)
    width = 2.6 + (0.7 + 0.62 * len(summary.lengths)) * len(summary.models)
    figure, axes = _new(width, 1.2 + 0.3 * len(tasks), len(summary.models))
    for axis, model in zip(axes, summary.models, strict=True):
        share = np.array(
            [[_mean(summary.cell(model, task, n)) for n in summary.lengths] for task in tasks]
        )
        image = _heat(axis, share, [show_length(n) for n in summary.lengths])
        axis.set_yticks(range(len(tasks)), [task.split("/")[1] for task in tasks])
        axis.set_title(model, fontsize=9)
        axis.set_xlabel("length, tokens")
    for axis in axes[1:]:
        axis.set_yticklabels([])
    figure.colorbar(image, ax=axes, label="score, %", shrink=0.9)
    return figure


def _mean(cell: Cell | None) -> float:
    return cell.mean if cell is not None and cell.status == "done" else float("nan")


def _by_length(summary: Summary, suite: str) -> Any:
    """Score by length with 95 % bands, a line a model."""
    figure, (axis,) = _new(6.4, 3.6)

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
    axis.legend(frameon=False, fontsize=8)


def _perplexity(summary: Summary) -> Any:
    """exp of the mean loss at each place of the longest text that a model has read."""
    figure, (axis,) = _new(6.4, 3.6)
    places: set[int] = set()

    def draw(model: str, colour: str) -> bool:
        records = [r for r in summary.records(model) if is_loss(r["task"])]
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
    figure, (time_axis, memory_axis) = _new(9.6, 3.4, 2)

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
    time_axis.set_yscale("log")
    time_axis.set_ylabel("seconds to read a document")
    memory_axis.set_ylabel("peak memory, GiB")
    memory_axis.set_ylim(bottom=0)
    return figure
