"""Where sessions are, and what they may be called."""

from __future__ import annotations

import re
from pathlib import Path

from farspan.errors import RequestError
from farspan.paths import cache_folder

UNNAMED = "content-"
"""How sessions that nobody named are called, before a hash of what they hold."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def sessions_folder() -> Path:
    """The folder of all sessions; it may not exist yet."""
    return cache_folder() / "sessions"


def checked_name(name: str, *, new: bool = True) -> str:
    """A name, if it may be given to a session, or with `new` false may be one's."""
    reserved = name.endswith(".lock") or (new and name.startswith(UNNAMED))
    if not _NAME.fullmatch(name) or reserved:
        raise RequestError(
            f"session name {name!r}: use up to 100 letters, digits, dots, dashes and underscores,"
            f" beginning with a letter or digit, and not with {UNNAMED!r}"
        )
    return name


def session_folders() -> list[Path]:
    """The folders that hold a session, by name."""
    root = sessions_folder()
    found = root.glob("*/manifest.json") if root.is_dir() else ()
    return sorted(path.parent for path in found if _NAME.fullmatch(path.parent.name))


def known_names() -> str:
    """A clause that says which named sessions there are."""
    names = [x.name for x in session_folders() if not x.name.startswith(UNNAMED)]
    return f"there are {', '.join(names[:10])}" if names else "none has been made yet"
