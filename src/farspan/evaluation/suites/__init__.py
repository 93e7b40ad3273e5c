"""The suites by name, and the files that some of them are made from."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, fields
from pathlib import Path

from farspan.errors import RequestError
from farspan.evaluation.samples import Task


@dataclass(frozen=True)
class Files:
    """What a user may point at; a task that lacks its file says which option gives it.

    `squad` and `hotpot` are question-answering files in those formats, `babi` a folder of bAbI
    files, `code` a folder of Python sources.
    """

    squad: Path | None = None
    hotpot: Path | None = None
    babi: Path | None = None
    code: Path | None = None

    def check(self) -> None:
        """Raises `RequestError` for a path that is not there."""
        for field in fields(self):
            path = getattr(self, field.name)
            if path is not None and not path.exists():
                raise RequestError(f"--{field.name} {path} is not there")


SUITES = {
    "niah": ("niah",),
    "passkey": ("passkey",),
    "ruler": ("ruler_needles", "ruler_tracking", "ruler_words", "ruler_questions"),
    "babilong": ("babilong",),
    "babiphrase": ("babiphrase",),
    "nolima": ("nolima",),
    "conversation": ("conversation",),
    "mrcr": ("mrcr",),
    "graphwalks": ("graphwalks",),
    "repoqa": ("code",),
    "codeqa": ("code",),
    "perplexity": ("perplexity",),
}
"""The modules of each suite; a module's `tasks` gives its tasks, in order."""


def find_tasks(names: tuple[str, ...], files: Files) -> list[Task]:
    """The tasks of suites (`ruler`) and single tasks (`ruler/vt`), in order, each once.

    Raises `RequestError` with the valid names for one that does not exist.
    """
    found: dict[str, Task] = {}
    for name in names:
        suite, stroke, _ = name.partition("/")
        if suite not in SUITES:
            raise RequestError(f"unknown suite {suite!r}; there are {', '.join(SUITES)}")
        known = suite_tasks(suite, files)
        chosen = [x for x in known if not stroke or x.name == name]
        if not chosen:
            tasks = ", ".join(x.name for x in known)
            raise RequestError(f"unknown task {name!r}; {suite} has {tasks}")
        found.update((x.name, x) for x in chosen)
    return list(found.values())


def suite_tasks(suite: str, files: Files) -> list[Task]:
    """All tasks of a suite."""
    found: list[Task] = []
    for name in SUITES[suite]:
        module = importlib.import_module(f"farspan.evaluation.suites.{name}")
        made = module.tasks(files) if name in _FROM_FILES else module.tasks()
        found += [task for task in made if task.suite == suite]
    return found


_FROM_FILES = ("ruler_questions", "babilong", "code")
