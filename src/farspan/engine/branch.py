"""Sessions that begin as another does: they share its files, which then nobody writes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from farspan.engine.journal import Commit, read_journal, rewrite_journal
from farspan.engine.lock import SessionLock
from farspan.engine.manifest import Manifest
from farspan.engine.names import session_folders
from farspan.errors import RequestError

LEAST_SHARED = 4096
"""Tokens that are worth sharing."""


def share_files(source: Path, target: Path, commits: Iterable[Commit]) -> None:
    """Gives an empty folder the stores and commits of another session, without copying them.

    The source's lock must be held. Raises `RequestError` where files cannot have two names.
    """
    commits = list(commits)
    stores = source.glob("layer-*") if commits else ()
    for path in (*stores, *(source / commit.state for commit in commits)):
        link(path, target)
    rewrite_journal(target, commits)


def link(path: Path, folder: Path) -> None:
    """Gives a file a second name in another folder."""
    try:
        os.link(path, folder / path.name)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP):
            raise
        raise RequestError(
            f"files on the disk that holds {folder} cannot be shared between sessions"
            f" ({error.strerror}); use sessions export and import to copy"
        ) from error


def first_difference(one: np.ndarray, two: np.ndarray) -> int:
    """How many tokens two documents have in common at their beginning."""
    n = min(len(one), len(two))
    differ = np.flatnonzero(one[:n] != two[:n])
    return int(differ[0]) if len(differ) else n


def usable(commits: Iterable[Commit], common: int, n_tokens: int) -> list[Commit]:
    """Commits of `n_tokens` from which another document that begins alike can be read on.

    The last of a document is not: reading from it would cut chunks otherwise than reading the
    other document at once does.
    """
    return [x for x in commits if x.length <= common and x.length < n_tokens]


def find_beginning(like: Manifest, ids: np.ndarray, folder: Path) -> tuple[Path, int] | None:
    """The session that goes furthest with the same tokens, read by the same model, and how far.

    `folder` is left out. Sessions that cannot be read are not considered.
    """
    best: tuple[Path, int] | None = None
    for other in session_folders():
        try:
            found = Manifest.read(other) if other != folder else None
            if found is None or not same_reader(found, like):
                continue
            stored = found.load(other)[1]
        except RequestError:
            continue  # what is wrong with it is told when it is opened
        common = first_difference(ids, stored)
        commits = usable(read_journal(other), common, found.n_tokens)
        if commits and commits[-1].length >= max(LEAST_SHARED, best[1] + 1 if best else 0):
            best = other, commits[-1].length
    return best


def same_reader(one: Manifest, two: Manifest) -> bool:
    """Whether two sessions were read by the same model in the same way."""
    return all(
        getattr(one, name) == getattr(two, name)
        for name in ("identity", "layout", "plan", "dtype", "position")
    )


def begin_like(source: Path, length: int, ids: np.ndarray, folder: Path) -> int:
    """Takes over what `source` has read, up to `length` tokens; returns how much it was.

    0 if the source has meanwhile changed, or another process is writing it.
    """
    with SessionLock(source.with_name(f"{source.name}.lock"), source.name) as lock:
        try:
            lock.share()
            found = Manifest.read(source)
            common = first_difference(ids, found.load(source)[1]) if found else 0
        except RequestError:
            return 0
        commits = [x for x in read_journal(source) if x.length <= min(common, length)]
        share_files(source, folder, commits)
    return commits[-1].length if commits else 0
