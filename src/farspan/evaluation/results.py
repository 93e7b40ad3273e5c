"""Results of one model: lines of JSON, written as they come, that survive a kill.

The first line says what run it is; only that run may go on in the file. Then come, in any order,
`invocation` (one a start), `answer` (one a question) and `cell` (one that could not be measured).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farspan.errors import DamagedFileError, RequestError

FORMAT = 1
SUFFIX = ".jsonl"

CellKey = tuple[str, int]
"""A task's name and a length."""


def file_name(model: str) -> str:
    """A model's file: its name without characters that paths dislike, and a hash of it."""
    safe = "".join(c if c.isalnum() or c in "-._+" else "-" for c in model).strip("-.")[-60:]
    return f"{safe}-{hashlib.sha256(model.encode()).hexdigest()[:8]}{SUFFIX}"


@dataclass
class Results:
    """What a results file holds. `run` are the settings that decide what a sample is.

    `answers` has the records of each cell by sample and question, `cells` the cells without.
    """

    path: Path
    run: dict[str, Any]
    invocations: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[CellKey, dict[tuple[int, int], dict[str, Any]]] = field(default_factory=dict)
    cells: dict[CellKey, dict[str, Any]] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.run["model"])

    def done(self, key: CellKey) -> set[int]:
        """The numbers of the samples of which every question is answered."""
        found = self.answers.get(key, {})
        return {
            i for i, q in found if q == 0 and all((i, k) in found for k in range(_of(found, i)))
        }

    def records(self, key: CellKey) -> list[dict[str, Any]]:
        """The answers of a cell, in the order of samples and questions."""
        return [record for _, record in sorted(self.answers.get(key, {}).items())]

    @classmethod
    def read(cls, path: Path) -> Results:
        """What a file holds; a last line that a kill has cut off does not count.

        Raises `DamagedFileError` for anything else that is not a results file.
        """
        lines = list(_records(path))
        if not lines or lines[0].get("kind") != "run" or lines[0].get("format") != FORMAT:
            raise DamagedFileError(f"{path} holds no results of this version of farspan eval")
        results = cls(path, lines[0]["run"])
        for record in lines[1:]:
            results.take(record)
        return results

    def take(self, record: Mapping[str, Any]) -> None:
        """Counts one record."""
        kind = record["kind"]
        if kind == "invocation":
            self.invocations.append(dict(record))
            return
        key = (str(record["task"]), int(record["length"]))
        if kind == "cell":
            self.cells[key] = dict(record)
        else:
            place = int(record["index"]), int(record["question"])
            self.answers.setdefault(key, {})[place] = dict(record)
            self.cells.pop(key, None)


def _of(found: Mapping[tuple[int, int], Mapping[str, Any]], index: int) -> int:
    return int(found[index, 0]["of"])


class ResultsWriter:
    """Appends to a results file; use it as a context manager."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._file = open(results.path, "a", encoding="utf-8")  # noqa: SIM115 (held open)

    @classmethod
    def open(cls, folder: Path, run: dict[str, Any], *, force: bool = False) -> ResultsWriter:
        """Begins or goes on with a run's file in a folder; `force` starts over.

        Raises `RequestError` if the file holds another run, saying what differs.
        """
        path = folder / file_name(run["model"])
        folder.mkdir(parents=True, exist_ok=True)
        if force:
            path.unlink(missing_ok=True)
        if path.exists() and path.stat().st_size:
            _cut_torn_line(path)
        if path.exists() and path.stat().st_size:
            results = Results.read(path)
            _check_same(results, run)
            return cls(results)
        writer = cls(Results(path, run))
        writer._append({"kind": "run", "format": FORMAT, "run": run})
        return writer

    def write(self, record: dict[str, Any]) -> None:
        """Appends a record and counts it; after this a kill does not lose it."""
        self._append(record)
        self.results.take(record)

    def _append(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Ends writing, with everything on disk."""
        os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> ResultsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_folder(folder: Path) -> list[Results]:
    """The results of every model in a folder, in the order of their names."""
    return [Results.read(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith("\n"):
                return
            try:
                yield dict(json.loads(line))
            except (ValueError, TypeError) as error:
                raise DamagedFileError(f"{path}, line {number}, is not JSON: {error}") from error


def _cut_torn_line(path: Path) -> None:
    """Removes what stands behind the last newline, which a kill has left."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with open(path, "r+b") as file:
            file.truncate(whole)


def _check_same(results: Results, run: Mapping[str, Any]) -> None:
    theirs = results.run
    differing = sorted(k for k in {*theirs, *run} if theirs.get(k) != run.get(k))
    if differing:
        what = "; ".join(f"{k} was {theirs.get(k)!r}, is {run.get(k)!r}" for k in differing)
        raise RequestError(
            f"{results.path} holds the results of another run ({what}); give another folder with"
            " -o, or --force to start over"
        )
