"""Opening sessions: documents that are being read, kept on disk so that nothing is read twice."""

from __future__ import annotations

import os
from pathlib import Path

from farspan.data.reader import Document
from farspan.engine.journal import read_journal
from farspan.engine.layers import stored_layers
from farspan.engine.layout import store_of, write_layout
from farspan.engine.lock import SessionLock
from farspan.engine.manifest import FILE, Manifest, sha256
from farspan.engine.names import UNNAMED, checked_name, known_names, sessions_folder
from farspan.engine.session_folder import Session
from farspan.errors import DamagedFileError, RequestError
from farspan.files import told_if_full
from farspan.memory.sizes import STORES
from farspan.models.load import LoadedModel, Say

__all__ = ["Session", "open_session", "stored_settings"]

_OTHERWISE = "give another --session NAME, or start it over with --force"


def open_session(
    model: LoadedModel,
    document: Document | None,
    *,
    name: str | None = None,
    force: bool = False,
    store: str | None = None,
    budget: int | None = None,
    say: Say = lambda message: None,
) -> Session:
    """Opens the session of a document, or the named one, and makes it where there is none.

    Without a document, `name` must exist and brings its own; `force` starts over; `store` is how
    keys and values are kept, one of `STORES`, by default as they are in the session, else bf16;
    `budget` is what all sessions may take on disk, and others are deleted for; `say` is told what
    is done otherwise than expected. Raises `RequestError` if the name holds another document or
    was read by another model, or another process is using it; `DamagedFileError` if its files are
    not what was written.
    """
    folder, lock = _locked(model, document, name, store)
    try:
        kept = store or _kept_store(folder)
        session = Session(model, folder, lock, store=kept, budget=budget, say=say)
    except BaseException:
        lock.close()
        raise
    try:
        with told_if_full(session.folder.parent):
            _fill(session, document, name, force)
            os.utime(session.folder / FILE)  # the last use
    except DamagedFileError as error:
        session.close()
        again = "--force" if document else f"PATH --session {name} --force"
        raise DamagedFileError(
            f"the session in {session.folder} is damaged ({error}); read the document again with"
            f" {again}, or delete the folder"
        ) from error
    except BaseException:
        session.close()
        raise
    return session


def _fill(session: Session, document: Document | None, name: str | None, force: bool) -> None:
    """Loads or makes a session's content, holding the lock that this takes."""
    folder, lock, afresh = session.folder, session.lock, force and document is not None
    lock.share()
    stored = None if afresh else Manifest.read(folder)
    if stored is None and document is None:
        raise RequestError(f"there is no session {name!r} to go on with; {known_names()}")
    if stored is None or force or not _is_read(stored, folder):
        lock.own()
        stored = None if afresh else Manifest.read(folder)
    if document is None and stored is not None and force:
        document, stored = stored.load(folder)[0], None
    if stored is None:
        assert document is not None
        session.create(document, reuse=not force)
        return
    _check_same(stored, session)
    session.manifest = stored
    if document is not None and stored.load(folder)[0].text != document.text:
        _check_continues(session, document)
        lock.own()
        session.change(document)
        return
    session.load()


def _is_read(stored: Manifest, folder: Path) -> bool:
    """Whether there is nothing left to read."""
    commits = read_journal(folder)
    return bool(commits) and commits[-1].length == stored.n_tokens


def _kept_store(folder: Path) -> str:
    """How a session's keys and values are kept; what is wrong with it is told when it is read."""
    try:
        stored = Manifest.read(folder)
        return STORES[0] if stored is None else store_of(stored.layout)
    except RequestError:
        return STORES[0]


def _check_continues(session: Session, document: Document) -> None:
    """Raises `RequestError` if a document is not what became of a session's."""
    before = session.manifest.load(session.folder)[0]
    if [x.file for x in before.parts] != [
        x.file for x in document.parts
    ] and not document.text.startswith(before.text):
        raise RequestError(
            f"session {session.name} holds another document ({before.name}); {_OTHERWISE}"
        )


def _check_same(stored: Manifest, session: Session) -> None:
    """Raises `RequestError` if a session was read by another model."""
    model, name, otherwise = session.model, session.name, _OTHERWISE
    if (stored.model, stored.plan, stored.dtype) != (model.name, model.plan, model.dtype):
        raise RequestError(
            f"session {name} was read by {stored.model} in {stored.dtype} with plan {stored.plan},"
            f" not by {model.name} in {model.dtype} with plan {model.plan}; {otherwise}"
        )
    if stored.position != model.position:
        was, now = (x or "the checkpoint's own" for x in (stored.position, model.position))
        raise RequestError(f"session {name} was read with positions {was}, not {now}; {otherwise}")
    kept, asked = store_of(stored.layout), store_of(session.snapshots.layout())
    if kept != asked:
        raise RequestError(f"session {name} is kept in {kept}, not in {asked}; {otherwise}")
    if stored.identity != model.identity or stored.layout != session.snapshots.layout():
        raise RequestError(f"session {name} was read with other weights; {otherwise}")


def stored_settings(name: str) -> Manifest | None:
    """What a named session was read with, if there is one. Raises `DamagedFileError`."""
    folder = sessions_folder() / checked_name(name)
    try:
        return Manifest.read(folder)
    except DamagedFileError as error:
        raise DamagedFileError(
            f"the session in {folder} is damaged ({error}); read the document again with"
            f" PATH --session {name} --force, or delete the folder"
        ) from error


def _locked(
    model: LoadedModel, document: Document | None, name: str | None, store: str | None
) -> tuple[Path, SessionLock]:
    """The folder of a session, and its lock, not taken yet."""
    root = sessions_folder()
    if name is None:
        if document is None:
            raise RequestError("no document was given, nor the name of a session")
        layout = write_layout(stored_layers(model.decoder, store or STORES[0]))
        keys = (sha256(document.text.encode()), model.identity, layout)
        folder = root / (UNNAMED + sha256("\n".join(keys).encode())[:24])
    else:
        folder = root / checked_name(name)
    try:
        with told_if_full(root):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = SessionLock(root / f"{folder.name}.lock", folder.name)
    except OSError as error:
        raise RequestError(
            f"sessions cannot be kept in {root} ({error.strerror}); set FARSPAN_CACHE to a folder"
            " that can be written"
        ) from error
    return folder, lock
