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

from farspan.memory.sizes import EXACT_BELOW
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


def read_ahead(folder: Path, *, whole: bool = False) -> Thread | None:
    """Has the kernel read what asking a session needs in the background; None where it cannot.

    That is all of every store if `whole` or the session is short, else of the last, and of the
    others the index. Only a hint: what is not there yet when it is needed is read then.
    """
    if not hasattr(os, "posix_fadvise"):
        return None
    thread = Thread(target=_announce, args=(folder, whole), daemon=True)
    thread.start()
    return thread


def _announce(folder: Path, whole: bool) -> None:
    try:
        for path, start in _slices(folder, whole or _is_short(folder)):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, start, SLICE, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)
    except (OSError, ValueError, TypeError, KeyError):
        return  # whatever is wrong is told when the session is opened


def _is_short(folder: Path) -> bool:
    return bool(json.loads((folder / "manifest.json").read_bytes())["n_tokens"] <= EXACT_BELOW)


def _slices(folder: Path, whole: bool) -> Iterator[tuple[Path, int]]:
    """Files and places in the order in which they are wanted, layer by layer."""
    layers = sorted({path.name.split(".")[0] for path in folder.glob("layer-*.keys.[0-9]*")})
    for layer in layers:
        if not whole and layer != layers[-1] and any(folder.glob(f"{layer}.means.*")):
            for path in sorted(folder.glob(f"{layer}.means.*")):
                for start in range(0, path.stat().st_size, SLICE):
                    yield path, start
            continue
        for keys in sorted(folder.glob(f"{layer}.keys.[0-9]*")):
            for start in range(0, keys.stat().st_size, SLICE):
                yield keys, start
                yield keys.with_name(keys.name.replace(".keys.", ".values.")), start
