"""The commits of a session, one line each, appended as it is read; the newest that holds counts.

A line is the CRC32C of the rest in hexadecimal digits, a space and a JSON object. A line that a
killed process left half written counts no more than a commit whose state file is gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import google_crc32c

from farspan.errors import DamagedFileError
from farspan.files import told_if_full, write_whole

FILE = "journal"
SNAPSHOT_EVERY = 32_768
"""Tokens between the states that are kept to go back to; of old ones fewer are kept."""

ROLLBACK = 64
"""Tokens before the end that may be split otherwise when a text goes on."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Commit:
    """`length` tokens are read: the hash of the state file, the sums of the stores' last tokens.

    `boot` is empty once all of it is safely on disk; before that it holds as long as the system
    that wrote it runs.
    """

    length: int
    sha256: str
    sums: dict[str, int]
    boot: str = ""

    @property
    def state(self) -> str:
        """The name of the state file."""
        return f"state-{self.length}.safetensors"


@cache
def boot_id() -> str:
    """What tells this run of the system from others."""
    return _BOOT.read_text().strip() if _BOOT.exists() else "unknown"


def read_journal(folder: Path) -> list[Commit]:
    """The commits that may hold, by length. Raises `DamagedFileError` if it cannot be read."""
    found = parse_journal(_contents(folder))[0]
    return [x for x in found if x.boot in ("", boot_id()) and (folder / x.state).exists()]


def damaged_lines(folder: Path) -> int:
    """Lines of the journal that are not what was written."""
    return parse_journal(_contents(folder))[1]


def parse_journal(data: bytes) -> tuple[list[Commit], int]:
    """All commits by length, the last of each, and how many lines are not what was written."""
    found, damaged = {}, 0
    for line in data.splitlines():
        commit = _parse(line)
        if commit is not None:
            found[commit.length] = commit
        elif line:
            damaged += 1
    return [found[length] for length in sorted(found)], damaged


def append_commit(folder: Path, commit: Commit) -> None:
    """Makes a commit count, durably if it says that it is on disk."""
    with told_if_full(folder):
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, (b"\n" if torn else b"") + _line(commit))
            if not commit.boot:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def rewrite_journal(folder: Path, commits: Iterable[Commit]) -> None:
    """Makes these the only commits, and removes the state files of all others."""
    commits = list(commits)
    write_whole(folder / FILE, journal_bytes(commits), mode=0o600)
    drop_states(folder, commits)


def drop_states(folder: Path, commits: Iterable[Commit]) -> None:
    """Removes the state files of all other commits."""
    names = {commit.state for commit in commits}
    for path in folder.glob("state-*.safetensors"):
        if path.name not in names:
            path.unlink(missing_ok=True)


def worth_keeping(lengths: Iterable[int], n_tokens: int, every: int) -> list[int]:
    """Which commits of a document of `n_tokens` to keep: few of long ago, more of lately.

    The newest two, so that one is left when the other turns out damaged; the last that does not
    touch the end of the document, so that it can grow; and the first in each interval of `every`
    tokens, of intervals at multiples of 2^n only as long as fewer than 4 * 2^n have followed.
    What is not kept would not be kept later either.
    """
    lengths = sorted(lengths)
    kept = set(lengths[-2:])
    kept.update([length for length in lengths if length <= n_tokens - ROLLBACK][-1:])
    seen: set[int] = set()
    for length in lengths:
        interval = length // every
        if interval and interval not in seen:
            seen.add(interval)
            if lengths[-1] // every - interval < 4 * (interval & -interval):
                kept.add(length)
    return sorted(kept)


def _contents(folder: Path) -> bytes:
    try:
        return (folder / FILE).read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise DamagedFileError(f"{FILE} cannot be read: {error.strerror}") from error


def journal_bytes(commits: Iterable[Commit]) -> bytes:
    """A journal of these commits."""
    return b"".join(map(_line, commits))


def _line(commit: Commit) -> bytes:
    data = json.dumps(asdict(commit), separators=(",", ":")).encode()
    return b"%08x %s\n" % (google_crc32c.value(data), data)


def _parse(line: bytes) -> Commit | None:
    total, _, data = line.partition(b" ")
    if b"%08x" % google_crc32c.value(data) != total:
        return None
    try:
        commit = Commit(**json.loads(data))
        good = (
            type(commit.length) is int
            and 0 < commit.length < 1 << 48
            and isinstance(commit.sha256, str)
            and isinstance(commit.boot, str)
            and all(type(x) is int for x in commit.sums.values())
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        return None
    return commit if good else None
