"""A limit on what all sessions take on disk: the ones used longest ago make room."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from farspan.engine.names import session_folders, sessions_folder
from farspan.engine.shelf import delete, last_use, sweep
from farspan.errors import RequestError
from farspan.units import parse_size, show_size

VARIABLE = "FARSPAN_DISK_BUDGET"


def disk_budget(text: str | None) -> int | None:
    """Bytes that all sessions may take: from an option, else the environment; None for any."""
    text = text if text is not None else os.environ.get(VARIABLE) or None
    try:
        return None if text is None else parse_size(text)
    except RequestError as error:
        raise RequestError(f"disk budget: {error}") from error


def total_bytes() -> int:
    """What all sessions take, files that several share counted once."""
    sizes: dict[tuple[int, int], int] = {}
    for path in sessions_folder().rglob("*"):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # another process deletes it
        if path.is_file():
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())


def make_room(needed: int, budget: int | None, keep: Path, say: Callable[[str], None]) -> None:
    """Deletes sessions, those used longest ago first, until `needed` bytes more fit the budget.

    `keep` and sessions in use stay. Raises `RequestError` if that is not enough.
    """
    if budget is None:
        return
    sweep()
    old = sorted((x for x in session_folders() if x != keep), key=last_use)
    while (total := total_bytes()) + needed > budget:
        if not old:
            raise RequestError(
                f"reading takes {show_size(needed)} more on disk and the sessions that must stay"
                f" take {show_size(total)}, which is over the budget of {show_size(budget)};"
                f" raise it with --budget or {VARIABLE}"
            )
        folder = old.pop(0)
        used = time.strftime("%Y-%m-%d", time.localtime(last_use(folder)))
        try:
            delete(folder.name)
        except RequestError:
            continue  # in use
        say(f"session {folder.name}, last used on {used}, was deleted to stay within the budget")


def check_room(needed: int, folder: Path, what: str) -> None:
    """Raises `RequestError` if a disk has not so much room; `what` says what would take it."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise RequestError(
            f"{what} takes {needed / 1e9:.2f} GB on the disk that holds {folder}, where"
            f" {free / 1e9:.2f} GB are free; free some space or set FARSPAN_CACHE to a folder on a"
            " larger disk"
        )
