"""A session as one tar file, to be kept elsewhere or given away, and taking one in.

The file is read and written as a stream of plain members. What comes in is not trusted: names,
sizes and their order are known from the first two members, all else is refused, and every
checksum is compared before it becomes a session.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from farspan.engine import journal, manifest
from farspan.engine.journal import Commit, journal_bytes, parse_journal, read_journal
from farspan.engine.layers import open_layer
from farspan.engine.layout import StoredLayer, parse_layout
from farspan.engine.manifest import Manifest, array_bytes, sha256
from farspan.engine.shelf import Listed, find, look, new_folder, session_lock
from farspan.engine.verify import verify_folder
from farspan.errors import DamagedFileError, RequestError
from farspan.files import told_if_full
from farspan.memory.rows import CHECKED, CheckedRows, Rows
from farspan.units import show_size

ENDING = ".farspan.tar"
HEADER = 512
LARGEST_HEAD = 64 << 20
"""Bytes that manifest and journal may have, which are read into memory."""

LARGEST_STATE = 4 << 30
LARGEST_TOKEN = 1024
"""Bytes of text that a token may stand for, on average."""

_AT_ONCE = 4 << 20


def export_session(name: str, file: BinaryIO) -> None:
    """Writes a session, checking it on the way. Raises `DamagedFileError`."""
    folder = find(name)
    with session_lock(folder) as lock:
        lock.share()
        found = Manifest.read(folder)
        if found is None:
            raise DamagedFileError(f"{folder} holds no session; delete it")
        document, ids, starts = found.load(folder)
        contents = {
            "text": document.text.encode(),
            "ids": array_bytes(ids),
            "starts": array_bytes(starts),
        }
        files = {part: sha256(data) for part, data in contents.items()}
        found = replace(found, files=files, parts=document.parts)
        commits = [replace(x, boot="") for x in read_journal(folder)]
        with tarfile.open(fileobj=file, mode="w|", format=tarfile.GNU_FORMAT) as tar:
            _add(tar, manifest.FILE, found.to_bytes())
            _add(tar, journal.FILE, journal_bytes(commits))
            for part, data in contents.items():
                _add(tar, found.file(part), data)
            for commit in commits:
                data = (folder / commit.state).read_bytes()
                if sha256(data) != commit.sha256:
                    raise DamagedFileError(f"{commit.state} is not what was written")
                _add(tar, commit.state, data)
            for layer in parse_layout(found.layout):
                _add_layer(tar, folder, layer, commits[-1].length if commits else 0)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    _add_stream(tar, name, len(data), BytesIO(data))


def _add_stream(tar: tarfile.TarFile, name: str, size: int, stream: object) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, stream)  # type: ignore[arg-type]


def _add_layer(tar: tarfile.TarFile, folder: Path, layer: StoredLayer, length: int) -> None:
    for rows in open_layer(layer, folder, length).rows if length else ():
        for part in (rows, rows.sums):
            if part.length:
                size = part.length * part.row_bytes
                _add_stream(tar, f"{part.path.name}.0", size, _RowStream(part))


class _RowStream:
    """Rows as a file to read from, by whole blocks, so that each is checked."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.next = 0
        self.data = memoryview(b"")

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end."""
        found = []
        while size and (self.data or self.next < self.rows.length):
            if not self.data:
                self._fill()
            found.append(bytes(self.data[:size]))
            self.data, size = self.data[size:], size - len(found[-1])
        return b"".join(found)

    def _fill(self) -> None:
        checked = self.rows.checked if isinstance(self.rows, CheckedRows) else CHECKED
        rows = max(1, _AT_ONCE // (checked * self.rows.row_bytes)) * checked
        rows = min(rows, self.rows.length - self.next)
        self.data = memoryview(bytearray(rows * self.rows.row_bytes))
        self.rows.read_into(self.data, self.next)
        self.next += rows


@dataclass(frozen=True)
class _Expected:
    """The sizes that a member may have."""

    least: int
    most: int


def import_session(file: BinaryIO, name: str) -> Listed:
    """Makes a session of an exported one. Raises `RequestError` for anything that is not one."""
    with new_folder(name) as folder, told_if_full(folder.parent), _refused():
        _take(file, manifest.FILE, folder, _Expected(2, LARGEST_HEAD))
        _take(file, journal.FILE, folder, _Expected(0, LARGEST_HEAD))
        expected = _expected(folder)
        _check_room(expected, folder)
        while expected:
            member = _next(file)
            if member is None:
                raise RequestError(f"it ends before {next(iter(expected))}")
            if member.name not in expected:
                raise RequestError(f"it holds {member.name[:100]!r}, which does not belong there")
            _store(file, member, folder, expected.pop(member.name))
        if _next(file) is not None:
            raise RequestError("it holds more than belongs there")
        problems = verify_folder(folder).problems
        if problems:
            raise DamagedFileError(problems[0])
    return look(folder.with_name(name))


@contextmanager
def _refused() -> Iterator[None]:
    try:
        yield
    except RequestError as error:
        raise RequestError(f"the file is not a session that can be taken in: {error}") from error


def _expected(folder: Path) -> dict[str, _Expected]:
    """What must follow manifest and journal, by name."""
    found = Manifest.read(folder)
    assert found is not None, "it was just written"
    commits, damaged = parse_journal((folder / journal.FILE).read_bytes())
    if damaged or any(x.boot or x.length > found.n_tokens for x in commits):
        raise RequestError("its journal is not one of a finished export")
    expected = {found.file("text"): _Expected(1, found.n_tokens * LARGEST_TOKEN)}
    for part, size, count in (
        ("ids", 4, found.n_tokens),
        ("starts", 8, found.n_tokens - found.n_prefix),
    ):
        expected[found.file(part)] = _Expected(size * count, size * count + 1024)
    for commit in commits:
        expected[commit.state] = _Expected(8, LARGEST_STATE)
    expected |= _expected_stores(found, commits)
    return expected


def _expected_stores(found: Manifest, commits: list[Commit]) -> dict[str, _Expected]:
    length = commits[-1].length if commits else 0
    return {
        name: _Expected(size, size)
        for layer in parse_layout(found.layout)
        for name, size in layer.files(length).items()
    }


def _check_room(expected: dict[str, _Expected], folder: Path) -> None:
    needed = sum(x.least for x in expected.values())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise RequestError(
            f"it takes {show_size(needed)}, and {show_size(free)} are free on the disk"
        )


def _take(file: BinaryIO, name: str, folder: Path, size: _Expected) -> None:
    member = _next(file)
    if member is None or member.name != name:
        raise RequestError(f"it does not begin with {name}")
    _store(file, member, folder, size)


def _next(file: BinaryIO) -> tarfile.TarInfo | None:
    """The next member's header, None at the end; only plain files are let through."""
    block = file.read(HEADER)
    if not block.strip(b"\0"):
        return None
    try:
        member = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise RequestError("it is not a tar file, or is damaged") from error
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.size < 0:
        raise RequestError(f"{member.name[:100]!r} in it is no plain file")
    return member


def _store(file: BinaryIO, member: tarfile.TarInfo, folder: Path, size: _Expected) -> None:
    """Writes a member whose name is one of ours, if its size can be right."""
    if not size.least <= member.size <= size.most:
        raise RequestError(f"{member.name} in it has {member.size:,} bytes, which cannot be")
    left = member.size
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(folder / member.name, flags, 0o600), "wb") as out:
        while left:
            data = file.read(min(left, _AT_ONCE))
            if not data:
                raise RequestError(f"it ends within {member.name}")
            out.write(data)
            left -= len(data)
        out.flush()
        os.fsync(out.fileno())
    if len(file.read(-member.size % HEADER)) != -member.size % HEADER:
        raise RequestError(f"it ends behind {member.name}")
