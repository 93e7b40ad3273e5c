"""Samples made ahead of the model that answers them, in this process or in others."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType

from farspan.errors import RequestError
from farspan.evaluation.encoder import Encoder, Passage
from farspan.evaluation.haystack import Haystack, load_haystack
from farspan.evaluation.samples import Sample
from farspan.evaluation.suites import Files, find_tasks
from farspan.models.tokenizer import Tokenizer


@dataclass(frozen=True)
class Source:
    """What all samples of a run are made from."""

    suites: tuple[str, ...]
    files: Files
    haystack: str
    seed: int
    overhead: int
    keep_text: bool = False


@dataclass(frozen=True)
class Job:
    """One sample: a task's name, a length and a number."""

    task: str
    length: int
    index: int


class Maker:
    """Makes samples; the haystack is tokenised once."""

    def __init__(
        self, source: Source, tokenizer: Tokenizer, haystack: Haystack | None = None
    ) -> None:
        self.source = source
        self.tasks = {task.name: task for task in find_tasks(source.suites, source.files)}
        self.encode = Encoder(tokenizer)
        self.haystack = haystack or load_haystack(source.haystack, tokenizer)

    def __call__(self, job: Job) -> Sample | str:
        """The sample, or why the length does not hold one."""
        try:
            sample = self.tasks[job.task].sample(
                job.index,
                job.length,
                seed=self.source.seed,
                encode=self.encode,
                haystack=self.haystack,
                overhead=self.source.overhead,
            )
        except RequestError as error:
            return str(error)
        return sample if self.source.keep_text else _without_text(sample)


def _without_text(sample: Sample) -> Sample:
    """Tokens alone, which travel between processes in half the time."""
    head, body = (Passage("", part.ids) for part in (sample.head, sample.body))
    return replace(sample, head=head, body=body)


class Producer:
    """Yields jobs with their samples in order; `workers` processes run ahead. A context manager.

    With no workers samples are made when they are asked for.
    """

    def __init__(
        self, source: Source, tokenizer: Tokenizer, workers: int, haystack: Haystack | None = None
    ) -> None:
        self._workers = workers
        self._maker: Maker | None = None
        self._pool: ProcessPoolExecutor | None = None
        if not workers:
            self._maker = Maker(source, tokenizer, haystack)
            return
        self._folder = tempfile.TemporaryDirectory(prefix="farspan-eval-")
        tokenizer.save(self._folder.name)
        self._pool = ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(source, self._folder.name),
        )

    def samples(
        self, jobs: Sequence[Job], unwanted: Callable[[Job], bool] = lambda job: False
    ) -> Iterator[tuple[Job, Sample | str]]:
        """Each job with its sample, or with why there is none.

        A job that `unwanted` names when its turn comes to be made is left out.
        """
        wanted = (job for job in jobs if not unwanted(job))
        if self._maker is not None:
            for job in wanted:
                yield job, self._maker(job)
            return
        assert self._pool is not None
        waiting: deque[tuple[Job, Future[Sample | str]]] = deque()
        while True:
            for job in islice(wanted, 2 * self._workers - len(waiting)):
                waiting.append((job, self._pool.submit(_work, job)))
            if not waiting:
                return
            job, future = waiting.popleft()
            yield job, future.result()

    def __enter__(self) -> Producer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._folder.cleanup()


_maker: Maker | None = None
"""A worker process's own maker."""


def _start_worker(source: Source, tokenizer_folder: str) -> None:
    global _maker
    _maker = Maker(source, Tokenizer.load(Path(tokenizer_folder)))


def _work(job: Job) -> Sample | str:
    assert _maker is not None
    return _maker(job)
