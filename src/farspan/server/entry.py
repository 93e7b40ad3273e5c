"""What the server knows of a document, on disk beside the session that holds what was read."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from farspan.files import write_whole

ID = re.compile(r"doc-[0-9a-f]{24}")
QUEUED, READING, READY, CANCELLED, FAILED = "queued", "reading", "ready", "cancelled", "failed"
UNFINISHED = (QUEUED, READING)


@dataclass
class Entry:
    """One document of one tenant; `done` of `total` tokens are read.

    `total` is 0 until its tokens are counted.
    """

    id: str
    tenant: str
    name: str
    bytes: int
    created: int
    status: str = QUEUED
    done: int = 0
    total: int = 0
    tokens_per_second: float = 0.0
    seconds_left: float | None = None
    error: str | None = None
    forked_from: str | None = None

    @property
    def session(self) -> str:
        """The name of its session."""
        return f"serve-{self.tenant}-{self.id}"

    def report(self) -> dict[str, Any]:
        """What clients see."""
        found = asdict(self)
        del found["tenant"]
        return {"object": "document", **found}

    def write(self, folder: Path) -> None:
        """Keeps it, whole or not at all."""
        write_whole(folder / f"{self.id}.json", json.dumps(asdict(self)).encode())


def read_entries(folder: Path) -> list[Entry]:
    """All that are kept, the oldest first."""
    found = [Entry(**json.loads(path.read_bytes())) for path in folder.glob("doc-*.json")]
    return sorted(found, key=lambda entry: entry.created)


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())
