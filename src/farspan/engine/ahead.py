"""Session files on their way into memory while the program still starts.

Imports nothing heavy: the disk should be busy before torch is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

from farspan.paths import cache_folder

SLICE = 64 << 20
"""Bytes of a layer's keys, then as many of its values, as the scan will want them."""


def find_session(name: str | None, text: str | None) -> Path | None:
    """The folder of a named session, or else of any that holds this text; None if there is none."""
    root = cache_folder() / "sessions"
    if name is not None:
        return root / name if (root / name).is_dir() else None
    if text is None:
        return None
    wanted = hashlib.sha256(text.encode()).hexdigest()
    for path in root.glob("*/manifest.json"):
        try:
            if json.loads(path.read_bytes())["files"]["text"] == wanted:
                return path.parent
        except (OSError, ValueError, TypeError, KeyError):
            continue  # whatever is wrong with it is told when it is opened
    return None


def read_ahead(folder: Path) -> Thread | None:
    """Has the kernel read the stores of a session in the background; None where it cannot.

    Only a hint: what is not there yet when it is needed is read then.
    """
    if not hasattr(os, "posix_fadvise"):
        return None
    thread = Thread(target=_announce, args=(folder,), daemon=True)
    thread.start()
    return thread


def _announce(folder: Path) -> None:
    for keys in sorted(folder.glob("layer-*.keys.[0-9]*")):
        for path, start in _slices(keys):
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except OSError:
                return
            try:
                os.posix_fadvise(descriptor, start, SLICE, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)


def _slices(keys: Path) -> Iterator[tuple[Path, int]]:
    for start in range(0, keys.stat().st_size, SLICE):
        yield keys, start
        yield keys.with_name(keys.name.replace(".keys.", ".values.")), start
