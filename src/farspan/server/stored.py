"""How documents lie in sessions: the one place that knows where their folders are."""

from __future__ import annotations

from pathlib import Path

from farspan.data.reader import Document
from farspan.engine import shelf
from farspan.engine.names import sessions_folder
from farspan.engine.session import Session, open_session
from farspan.models.load import LoadedModel
from farspan.paths import cache_folder


def documents_folder() -> Path:
    """Where the server keeps its list of documents, and texts that have no session yet."""
    folder = cache_folder() / "documents"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def session_folder(name: str) -> Path:
    """The folder of a session, there or not."""
    return sessions_folder() / name


def has_session(name: str) -> bool:
    """Whether a session has been made."""
    return (session_folder(name) / "manifest.json").exists()


def open_stored(model: LoadedModel, name: str, document: Document | None) -> Session:
    """A session by name, made from `document` where there is none."""
    return open_session(model, None if has_session(name) else document, name=name)


def delete_session(name: str) -> None:
    """Removes a session that nobody has open."""
    if session_folder(name).is_dir():
        shelf.delete(name)


def bytes_on_disk(name: str) -> int:
    """What a session takes."""
    folder = session_folder(name)
    return sum(shelf.bytes_on_disk(folder)) if folder.is_dir() else 0
