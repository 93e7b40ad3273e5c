"""Several models, one after the other, through the same grid into one folder."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from farspan import __version__
from farspan.errors import RequestError
from farspan.evaluation.haystack import load_haystack
from farspan.evaluation.models.base import Model
from farspan.evaluation.models.catalog import Options, Say, check_name, load
from farspan.evaluation.producer import Producer, Source
from farspan.evaluation.results import ResultsWriter
from farspan.evaluation.runner import Grid, Progress, Runner
from farspan.evaluation.samples import Task
from farspan.evaluation.speed import hardware
from farspan.evaluation.suites import Files, find_tasks
from farspan.evaluation.suites.code import default_root, source_files

DEFINITIONS = 1
"""Counts up when a suite's samples change, so that old and new results are never mixed."""

_PACKAGES = ("torch", "numpy", "tokenizers", "transformers", "openai", "matplotlib")


@dataclass(frozen=True)
class Campaign:
    """What to measure. `seconds` is a limit for all models together; what is left can go on."""

    suites: tuple[str, ...]
    models: tuple[str, ...]
    lengths: tuple[int, ...]
    samples: int
    output: Path
    seed: int = 0
    haystack: str = "book"
    files: Files = field(default_factory=Files)
    options: Options = field(default_factory=Options)
    workers: int | None = None
    seconds: float | None = None
    force: bool = False
    command: str = ""

    def check(self) -> None:
        """Raises `RequestError` for what can be seen to be wrong before anything is loaded."""
        if self.samples < 1:
            raise RequestError(f"samples is {self.samples}, must be 1 or more")
        if self.output.exists() and not self.output.is_dir():
            raise RequestError(f"--output {self.output} is not a folder; give one")
        self.files.check()
        find_tasks(self.suites, self.files)
        for name in self.models:
            check_name(name)

    def run(self, say: Say, report: Callable[[Progress], None]) -> bool:
        """Measures every model; False if the time was up before everything was done."""
        self.check()
        until = None if self.seconds is None else time.monotonic() + self.seconds
        whole = True
        for name in self.models:
            if until is not None and time.monotonic() > until:
                return False
            model = load(name, self.options, say)
            try:
                whole = self._measure(model, until, say, report) and whole
            finally:
                model.close()
        return whole

    def _measure(
        self, model: Model, until: float | None, say: Say, report: Callable[[Progress], None]
    ) -> bool:
        haystack = load_haystack(self.haystack, model.tokenizer)
        grid = Grid(find_tasks(self.suites, self.files), self.lengths, self.samples)
        source = Source(
            self.suites, self.files, self.haystack, self.seed, model.overhead, model.needs_text
        )
        run = {
            "model": model.name,
            "identity": model.identity,
            "seed": self.seed,
            "haystack": self.haystack,
            "haystack_sha256": haystack.digest,
            "files": _digests(self.files, grid.tasks),
            "overhead": model.overhead,
            "definitions": DEFINITIONS,
        }
        workers = self._n_workers(model)
        with (
            ResultsWriter.open(self.output, run, force=self.force) as writer,
            Producer(source, model.tokenizer, workers, haystack) as producer,
        ):
            writer.write(self._invocation(model))
            runner = Runner(model, grid, writer, producer, until=until, report=report)
            return runner.run()

    def _n_workers(self, model: Model) -> int:
        """Processes that make samples ahead: none beside a CPU that is busy with the model."""
        if self.workers is not None:
            return self.workers
        return 2 if str(model.about.get("device", "")).startswith("cuda") else 0

    def _invocation(self, model: Model) -> dict[str, Any]:
        return {
            "kind": "invocation",
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "command": self.command,
            "hardware": _hardware(model),
            "versions": _versions(),
            "about": model.about,
            "samples": self.samples,
            "lengths": list(self.lengths),
        }


def _hardware(model: Model) -> str:
    device = str(model.about.get("device", "cpu"))
    if device.startswith("cuda"):
        import torch

        return f"{torch.cuda.get_device_name(device)}; {hardware()}"
    return hardware()


def _versions() -> dict[str, str]:
    found = {"farspan": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _digests(files: Files, tasks: Sequence[Task]) -> dict[str, str]:
    """A hash of every file that samples are made from, Python's own library among them."""
    paths = {one.name: getattr(files, one.name) for one in fields(files)}
    if any(task.suite in ("repoqa", "codeqa") for task in tasks):
        paths["code"] = files.code or default_root()
    found = {}
    for name, path in paths.items():
        if path is not None:
            found[name] = _digest(path, source_files(path) if name == "code" else None)
    return found


def _digest(path: Path, within: Sequence[Path] | None) -> str:
    """Of a file's content, or of names and contents in a folder, all or those given."""
    if within is None:
        inside = sorted(x for x in path.rglob("*") if x.is_file())
        within = inside if path.is_dir() else [path]
    digest = hashlib.sha256()
    for one in within:
        digest.update(str(one.relative_to(path)).encode())
        digest.update(one.read_bytes())
    return digest.hexdigest()
