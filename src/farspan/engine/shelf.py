"""All sessions of this machine: what there is, and forking, rewinding and deleting it.

None of it needs a model, or copies what was read.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from farspan.data.reader import Document
from farspan.engine.branch import link, share_files
from farspan.engine.journal import read_journal, rewrite_journal
from farspan.engine.layout import parse_layout
from farspan.engine.lock import SessionLock
from farspan.engine.manifest import FILE, SUFFIXES, Manifest
from farspan.engine.names import checked_name, known_names, session_folders, sessions_folder
from farspan.errors import DamagedFileError, RequestError
from farspan.files import sync_folder

PART, GONE = "part", "gone"
"""Endings of folders that are not sessions yet, or no longer: `.NAME.part`, `.NAME.gone`."""


@dataclass(frozen=True)
class Listed:
    """A session as `list` and `show` tell of it.

    `tokens_read` of `tokens` are read; `places` are the token counts that can be gone back to at
    once. `bytes` are on disk for it alone, `shared_bytes` for others as well; `token_bytes` is
    what a token takes in the stores. `used` is the time of the last use, in seconds since 1970.
    `problem` says what is wrong with it, if anything, and then the rest is not known.
    """

    name: str
    bytes: int
    shared_bytes: int
    used: float
    documents: tuple[str, ...] = ()
    tokens: int = 0
    tokens_read: int = 0
    places: tuple[int, ...] = ()
    token_bytes: int = 0
    model: str = ""
    plan: str = ""
    dtype: str = ""
    position: str = ""
    problem: str = ""


def list_sessions() -> list[Listed]:
    """All sessions, those used last first."""
    found = [look(folder) for folder in session_folders()]
    return sorted(found, key=lambda x: x.used, reverse=True)


def look(folder: Path) -> Listed:
    """What is to be told of the session in a folder."""
    own, shared = bytes_on_disk(folder)
    sizes = (folder.name, own, shared, last_use(folder))
    try:
        manifest = Manifest.read(folder)
        if manifest is None:
            return Listed(*sizes, problem=f"{FILE} is missing")
        commits = read_journal(folder)
        layers = parse_layout(manifest.layout)
    except RequestError as error:
        return Listed(*sizes, problem=str(error))
    return Listed(
        *sizes,
        documents=tuple(part.file for part in manifest.parts),
        tokens=manifest.n_tokens,
        tokens_read=commits[-1].length if commits else 0,
        places=tuple(commit.length for commit in commits),
        token_bytes=round(sum(layer.token_bytes for layer in layers)),
        model=manifest.model,
        plan=manifest.plan,
        dtype=manifest.dtype,
        position=manifest.position,
    )


def bytes_on_disk(folder: Path) -> tuple[int, int]:
    """Bytes of the files that are a folder's alone, and of those that have other names too."""
    own = shared = 0
    for path in folder.iterdir():
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # a commit was replaced meanwhile
        if status.st_nlink > 1:
            shared += status.st_size
        else:
            own += status.st_size
    return own, shared


def last_use(folder: Path) -> float:
    """When a session was last opened or written."""
    try:
        return (folder / FILE).stat().st_mtime
    except OSError:
        return 0.0


def find(name: str) -> Path:
    """The folder of a session. Raises `RequestError` if there is none of this name."""
    folder = sessions_folder() / checked_name(name, new=False)
    if not folder.is_dir():
        raise RequestError(f"there is no session {name!r}; {known_names()}")
    return folder


def fork(name: str, new: str, at: int | None = None) -> Listed:
    """A session `new` that begins with the first `at` tokens of another, by default with all.

    It shares what was read; what the one reads from then on the other never sees. Where `at` is
    no place that can be gone back to, the tokens since the last such place are read when it is
    asked.
    """
    source = find(name)
    with session_lock(source) as lock, new_folder(new) as folder:
        lock.share()
        manifest = _manifest(source)
        length = _checked_place(at, manifest)
        share_files(source, folder, [x for x in read_journal(source) if x.length <= length])
        for part in SUFFIXES:
            link(source / manifest.file(part), folder)
        replace(manifest, n_tokens=length).write(folder)
    return look(sessions_folder() / new)


def rewind(name: str, to: int) -> Listed:
    """Has a session forget what comes after its first `to` tokens; the document too ends there."""
    folder = find(name)
    with session_lock(folder) as lock:
        lock.own()
        manifest = _manifest(folder)
        length = _checked_place(to, manifest)
        rewrite_journal(folder, [x for x in read_journal(folder) if x.length <= length])
        replace(manifest, n_tokens=length).write(folder)
    return look(folder)


def delete(name: str) -> None:
    """Takes a session away, and the disk space that it does not share.

    Raises `RequestError` if another process is using it.
    """
    folder = find(name)
    with session_lock(folder) as lock:
        lock.own()
        gone = hidden(folder, GONE)
        shutil.rmtree(gone, ignore_errors=True)
        os.rename(folder, gone)  # at once: half a session would look like a damaged one
        shutil.rmtree(gone)
        lock.remove()


def session_lock(folder: Path) -> SessionLock:
    """The lock of a session, not taken yet. Raises `RequestError` where nothing can be written."""
    try:
        return SessionLock(folder.with_name(f"{folder.name}.lock"), folder.name)
    except OSError as error:
        raise RequestError(
            f"sessions in {folder.parent} cannot be used or changed ({error.strerror}); make the"
            " folder writable"
        ) from error


def hidden(folder: Path, ending: str) -> Path:
    """The folder in which a session is made, or taken away, by who owns its lock."""
    return folder.with_name(f".{folder.name}.{ending}")


@contextmanager
def new_folder(name: str) -> Iterator[Path]:
    """A folder that becomes the session `name` if nothing goes wrong, and else vanishes.

    Raises `RequestError` if there is such a session already.
    """
    root = sessions_folder()
    folder = root / checked_name(name)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with session_lock(folder) as lock:
        lock.own()
        if folder.exists():
            raise RequestError(f"there is a session {name} already; delete it or take another name")
        part = hidden(folder, PART)
        shutil.rmtree(part, ignore_errors=True)
        try:
            part.mkdir(mode=0o700)
            yield part
            os.rename(part, folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            lock.remove()
            raise
        sync_folder(root)


def sweep() -> None:
    """Removes what killed processes left behind of sessions that were being made or deleted."""
    root = sessions_folder()
    for ending in (PART, GONE):
        for path in root.glob(f".*.{ending}"):
            name = path.name[1 : -len(ending) - 1]
            with session_lock(root / name) as lock:
                try:
                    lock.own()
                except RequestError:
                    continue  # at work
                shutil.rmtree(path, ignore_errors=True)
                if not (root / name).exists():
                    lock.remove()


def _manifest(folder: Path) -> Manifest:
    try:
        manifest = Manifest.read(folder)
    except DamagedFileError as error:
        raise DamagedFileError(
            f"the session in {folder} is damaged ({error}); delete it, and read the document again"
        ) from error
    if manifest is None:
        raise DamagedFileError(f"{folder} holds no session; delete it")
    return manifest


def _checked_place(place: int | None, manifest: Manifest) -> int:
    if place is None:
        return manifest.n_tokens
    if not manifest.n_prefix < place <= manifest.n_tokens:
        document = Document("", manifest.parts).name
        raise RequestError(
            f"token {place:,} is not in the session of {document}; take one from"
            f" {manifest.n_prefix + 1:,} to {manifest.n_tokens:,}"
        )
    return place
