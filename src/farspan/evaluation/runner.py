"""Runs tasks at lengths with a model, and writes every answer down as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from farspan.evaluation.models.base import CellFailedError, Model, Reply
from farspan.evaluation.producer import Job, Producer
from farspan.evaluation.results import CellKey, ResultsWriter
from farspan.evaluation.samples import Sample, Task

KEPT_CHARACTERS = 1000
"""Of a reply in the results."""

KEPT_FACTS = ("depth", "level", "place")
"""Of what a question is about."""


@dataclass(frozen=True)
class Progress:
    """How far a model is: samples, and seconds left at the speed so far."""

    model: str
    task: str
    length: int
    done: int
    total: int
    seconds_left: float


@dataclass(frozen=True)
class Grid:
    """What is to be measured: tasks × lengths × samples, short lengths first."""

    tasks: Sequence[Task]
    lengths: Sequence[int]
    samples: int

    def cells(self) -> Iterator[tuple[Task, int]]:
        """Every task at every length."""
        for length in sorted(self.lengths):
            for task in self.tasks:
                yield task, length


class Runner:
    """One model's way through a grid. `until` is the time, by `time.monotonic`, to stop at."""

    def __init__(
        self,
        model: Model,
        grid: Grid,
        writer: ResultsWriter,
        producer: Producer,
        *,
        until: float | None = None,
        report: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.model = model
        self.grid = grid
        self.writer = writer
        self.producer = producer
        self.until = until
        self.report = report
        self._tasks = {task.name: task for task in grid.tasks}
        self._given_up: set[CellKey] = set()

    def run(self) -> bool:
        """Answers what is missing; False if the time was up before everything was done."""
        jobs = list(self._missing())
        pace = _Pace(jobs)
        stream = self.producer.samples(jobs, lambda job: (job.task, job.length) in self._given_up)
        for batch in self._batches(stream):
            if self.until is not None and time.monotonic() > self.until:
                return False
            self._answer(batch)
            pace.took(batch)
            first = batch[0][0]
            done, total = pace.done, len(jobs)
            self.report(
                Progress(
                    self.model.name, first.task, first.length, done, total, pace.seconds_left()
                )
            )
        return True

    def _missing(self) -> Iterator[Job]:
        """The samples without an answer; cells beyond the model are marked and left out."""
        for task, length in self.grid.cells():
            key = (task.name, length)
            if reason := task.missing or self.model.why_not(length):
                self._mark(key, "skipped", reason)
                continue
            done = self.writer.results.done(key)
            for index in range(self.grid.samples):
                if index not in done:
                    yield Job(task.name, length, index)

    def _batches(
        self, stream: Iterator[tuple[Job, Sample | str]]
    ) -> Iterator[list[tuple[Job, Sample]]]:
        """Samples of one cell side by side, as many as the model takes."""
        for (task, length), cell in groupby(stream, lambda pair: (pair[0].task, pair[0].length)):
            size = self.model.batch_size(length)
            batch: list[tuple[Job, Sample]] = []
            for job, sample in cell:
                if (task, length) in self._given_up:
                    continue
                if isinstance(sample, str):
                    self._give_up((task, length), "skipped", sample)
                    continue
                batch.append((job, sample))
                if len(batch) == size:
                    yield batch
                    batch = []
            if batch:
                yield batch

    def _answer(self, batch: Sequence[tuple[Job, Sample]]) -> None:
        """Asks the model, scores and writes; a cell that fails is marked and given up."""
        job = batch[0][0]
        task = self._tasks[job.task]
        samples = [sample for _, sample in batch]
        self.model.reset_peak()
        try:
            if task.measures_loss:
                replies = [_lost(self.model, sample) for sample in samples]
            else:
                replies = self.model.answer(samples, task.max_tokens)
        except CellFailedError as error:
            self._give_up((job.task, job.length), "failed", str(error))
            return
        for (one, sample), row in zip(batch, replies, strict=True):
            for record in _records(task, one, sample, row):
                self.writer.write({**record, "peak_bytes": self.model.peak_bytes()})

    def _give_up(self, key: CellKey, status: str, reason: str) -> None:
        self._given_up.add(key)
        self._mark(key, status, reason)

    def _mark(self, key: CellKey, status: str, reason: str) -> None:
        task, length = key
        record = {"kind": "cell", "task": task, "length": length}
        record |= {"status": status, "reason": reason}
        if self.writer.results.cells.get(key) != record:
            self.writer.write(record)


def _lost(model: Model, sample: Sample) -> list[Reply]:
    """The losses that the sample's questions ask for, as replies."""
    began = time.perf_counter()
    if sample.questions[0].about.get("measure") == "longppl":
        losses = [model.long_loss(sample)]
    else:
        places = [int(question.about["place"]) for question in sample.questions]
        losses = model.losses(sample, places, int(sample.questions[0].about["span"]))
    seconds = time.perf_counter() - began
    return [Reply(repr(loss), read_seconds=seconds) for loss in losses]


def _records(
    task: Task, job: Job, sample: Sample, replies: Sequence[Reply]
) -> Iterator[dict[str, Any]]:
    """One record a question. Reading is counted with the first."""
    pairs = zip(sample.questions, replies, strict=True)
    for number, (question, reply) in enumerate(pairs):
        yield {
            "kind": "answer",
            "task": task.name,
            "length": job.length,
            "index": job.index,
            "question": number,
            "of": len(replies),
            "score": task.score(reply.text, question),
            "reply": reply.text[:KEPT_CHARACTERS],
            "answers": [answer[:KEPT_CHARACTERS] for answer in question.answers],
            "tokens": sample.n_tokens,
            "read_seconds": reply.read_seconds if number == 0 else 0.0,
            "answer_seconds": reply.answer_seconds,
            "new_tokens": reply.new_tokens,
            **{k: v for k, v in question.about.items() if k in KEPT_FACTS},
        }


class _Pace:
    """Seconds left, by the tokens that are to be read and the speed so far."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._left = sum(job.length for job in jobs)
        self._passed = 0
        self._began = time.monotonic()
        self.done = 0

    def took(self, batch: Sequence[tuple[Job, Sample]]) -> None:
        """Counts what is done."""
        tokens = sum(job.length for job, _ in batch)
        self._left -= tokens
        self._passed += tokens
        self.done += len(batch)

    def seconds_left(self) -> float:
        """At the speed so far."""
        return self._left * (time.monotonic() - self._began) / max(self._passed, 1)
