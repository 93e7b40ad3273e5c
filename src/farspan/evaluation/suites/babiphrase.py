"""bAbI's tasks 1 to 3 in words that question and facts do not share, in a book."""

from __future__ import annotations

from farspan.evaluation.samples import Task
from farspan.evaluation.suites.babilong import reworded_tasks


def tasks() -> list[Task]:
    """The tasks in other words."""
    return reworded_tasks()
