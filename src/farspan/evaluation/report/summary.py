"""Results put together by model, task and length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from farspan.evaluation.results import Results
from farspan.evaluation.statistics import effective_length, interval

LOSS_TASKS = ("perplexity/",)
"""Beginnings of the names of tasks whose score is a loss."""


@dataclass(frozen=True)
class Cell:
    """What one model did at one task and length.

    `low` and `high` bound the mean score at 95 %. `seconds` is wall time of all samples, reading
    and answering; `read_tokens_per_second` counts reading alone. `status` is `done`, `skipped`
    or `failed`, the last two with a `reason`.
    """

    model: str
    task: str
    length: int
    scores: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 1.0
    samples: int = 0
    seconds: float = 0.0
    read_seconds: float = 0.0
    read_tokens_per_second: float = 0.0
    peak_bytes: int = 0
    status: str = "done"
    reason: str = ""

    @property
    def suite(self) -> str:
        """The name before the stroke."""
        return self.task.split("/")[0]

    @property
    def mean(self) -> float:
        """The mean score."""
        return float(np.mean(self.scores)) if self.scores else 0.0


@dataclass(frozen=True)
class Summary:
    """All cells of several models; `results` are what they come from."""

    results: tuple[Results, ...]
    cells: tuple[Cell, ...]

    @classmethod
    def of(cls, results: Sequence[Results]) -> Summary:
        """The cells of all results."""
        # A model comes before the baselines on its weights.
        ordered = sorted(results, key=lambda one: (one.model.split("+")[0], one.model))
        cells = [cell for one in ordered for cell in _cells(one)]
        return cls(tuple(ordered), tuple(cells))

    @property
    def models(self) -> list[str]:
        """Names of the models."""
        return [one.model for one in self.results]

    @property
    def lengths(self) -> list[int]:
        """All lengths, rising."""
        return sorted({cell.length for cell in self.cells})

    @property
    def suites(self) -> list[str]:
        """Suites in which answers are scored, in the order of their first cells."""
        return list(dict.fromkeys(x.suite for x in self.cells if not is_loss(x.task)))

    def tasks(self, suite: str) -> list[str]:
        """Tasks of a suite, in the order of their first cells."""
        return list(dict.fromkeys(x.task for x in self.cells if x.suite == suite))

    def measured(self, suite: str) -> list[str]:
        """Tasks of a suite that some model has answered."""
        done = {x.task for x in self.cells if x.status == "done"}
        return [task for task in self.tasks(suite) if task in done]

    def losses(self) -> list[str]:
        """Tasks that measure a loss and that some model has done, in the order of their cells."""
        done = (x.task for x in self.cells if is_loss(x.task) and x.status == "done")
        return list(dict.fromkeys(done))

    def cell(self, model: str, task: str, length: int) -> Cell | None:
        """One cell, if there is one."""
        wanted = (model, task, length)
        return next((x for x in self.cells if (x.model, x.task, x.length) == wanted), None)

    def suite_cell(self, model: str, suite: str, length: int) -> Cell | None:
        """The tasks of a suite together: the mean of their means, all its samples' interval."""
        found = [x for x in self.cells if (x.model, x.suite, x.length) == (model, suite, length)]
        done = [x for x in found if x.status == "done"]
        if not done:
            return found[0] if found else None
        return _joined(model, suite, length, done)

    def costs(self) -> list[Cell]:
        """Time, speed and memory of each model at each length, all its tasks together."""
        found = []
        for model in self.models:
            for length in self.lengths:
                wanted = (model, length, "done")
                done = [x for x in self.cells if (x.model, x.length, x.status) == wanted]
                if done:
                    found.append(_joined(model, "", length, done))
        return found

    def effective(self, model: str, suite: str) -> int | None:
        """RULER's effective length of a model in a suite; None if no length reaches the bar."""
        cells = [self.suite_cell(model, suite, length) for length in self.lengths]
        return effective_length({x.length: x.mean for x in cells if x and x.status == "done"})

    def to_json(self) -> dict[str, Any]:
        """Every cell as a plain dictionary, and the runs they come from."""
        cells = []
        for cell in self.cells:
            about = asdict(cell)
            del about["scores"]
            cells.append({**about, "mean": cell.mean, "answers": len(cell.scores)})
        return {"runs": [one.run for one in self.results], "cells": cells}

    def records(self, model: str, tasks: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """The single answers of a model, of some tasks or all."""
        one = next(x for x in self.results if x.model == model)
        wanted = None if tasks is None else set(tasks)
        return [
            record
            for key in one.answers
            if wanted is None or key[0] in wanted
            for record in one.records(key)
        ]


def is_loss(task: str) -> bool:
    """Whether a task's score is a loss."""
    return task.startswith(LOSS_TASKS)


def _cells(results: Results) -> list[Cell]:
    keys = dict.fromkeys((*results.answers, *results.cells))
    return [_cell(results, task, length) for task, length in keys]


def _cell(results: Results, task: str, length: int) -> Cell:
    mark = results.cells.get((task, length))
    records = results.records((task, length))
    if mark is not None and not records:
        return Cell(results.model, task, length, status=mark["status"], reason=mark["reason"])
    scores = tuple(float(record["score"]) for record in records)
    low, high = interval(scores)
    read = sum(record["read_seconds"] for record in records)
    tokens = sum(record["tokens"] for record in records if record["question"] == 0)
    return Cell(
        results.model,
        task,
        length,
        scores,
        low,
        high,
        samples=len({record["index"] for record in records}),
        seconds=read + sum(record["answer_seconds"] for record in records),
        read_seconds=read,
        read_tokens_per_second=tokens / read if read else 0.0,
        peak_bytes=max(record["peak_bytes"] for record in records),
    )


def _joined(model: str, suite: str, length: int, cells: Sequence[Cell]) -> Cell:
    """Weighted so that every task counts the same, however many samples it has."""
    scores = tuple(score for cell in cells for score in cell.scores)
    half = float(np.sqrt(sum(((x.high - x.low) / 2) ** 2 for x in cells)) / len(cells))
    mean = float(np.mean([x.mean for x in cells]))
    low, high = (cells[0].low, cells[0].high) if len(cells) == 1 else (mean - half, mean + half)
    read = sum(x.read_seconds for x in cells)
    tokens = sum(x.read_seconds * x.read_tokens_per_second for x in cells)
    return _Mean(
        model,
        f"{suite}/",
        length,
        scores,
        max(0.0, low),
        min(1.0, high),
        samples=sum(x.samples for x in cells),
        seconds=sum(x.seconds for x in cells),
        read_seconds=read,
        read_tokens_per_second=tokens / read if read else 0.0,
        peak_bytes=max(x.peak_bytes for x in cells),
        task_mean=mean,
    )


@dataclass(frozen=True)
class _Mean(Cell):
    """Several cells whose mean is that of their means."""

    task_mean: float = 0.0

    @property
    def mean(self) -> float:
        """The mean of the tasks' means."""
        return self.task_mean
