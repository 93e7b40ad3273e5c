"""Folders of the user's machine."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where downloads and sessions are kept; the folder may not exist yet.

    `FARSPAN_CACHE` if set, else `farspan` in `XDG_CACHE_HOME` (by default `~/.cache`).
    """
    own = os.environ.get("FARSPAN_CACHE")
    if own:
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    if shared and Path(shared).is_absolute():  # the XDG specification ignores relative ones
        return Path(shared) / "farspan"
    return Path.home() / ".cache" / "farspan"
