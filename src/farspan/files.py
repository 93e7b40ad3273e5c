"""Files that are written whole or not at all, and what to say when a disk is full."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farspan.errors import RequestError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that there is no room (or no quota) left."""
    return isinstance(error, OSError) and error.errno in _FULL


@contextmanager
def told_if_full(folder: Path) -> Iterator[None]:
    """Turns the error of a full disk into a `RequestError` that names the folder."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise RequestError(
            f"no room left on the disk that holds {folder}; free some space or set FARSPAN_CACHE"
            " to a folder on a larger disk, then ask again: what was read is kept"
        ) from error


def write_whole(path: Path, data: bytes, *, mode: int = 0o666, sync: bool = True) -> None:
    """Writes a file under a temporary name, then renames it into place.

    `mode` are its rights, less the umask; `sync` brings it to the disk first, so that it outlives
    a power cut. Raises `RequestError` on a full disk; after any error the old file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with told_if_full(path.parent):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                if sync:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
