"""Sessions: a document that is being read, kept on disk so that nothing is read twice.

A session is a folder: the text, its tokens, the key-value files of recall layers, and at each
checkpoint the rest of the state; `manifest.json`, replaced last, says what of it counts.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from farspan.data.reader import Document
from farspan.engine import reading
from farspan.engine.lock import SessionLock
from farspan.engine.manifest import IDS, STARTS, TEXT, Manifest, array_bytes, sha256
from farspan.engine.snapshot import Snapshots
from farspan.errors import DamagedFileError, RequestError
from farspan.files import told_if_full, write_whole
from farspan.memory.search import Search
from farspan.models.decoder import DecoderState
from farspan.models.load import LoadedModel, Say
from farspan.paths import cache_folder

SPARE_BYTES = 64 << 20
"""Room on disk for what does not grow with the document."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_UNNAMED = "content-"


class Session:
    """A document on its way into a model. Get one from `open_session`; `close` it, or use `with`.

    `ids` are the tokens of the dialogue's head and of the document, uint32 [T]; `starts` the
    first character of each document token, int64 [T - n_prefix]; `state` what is read so far.
    """

    document: Document
    ids: np.ndarray
    starts: np.ndarray
    state: DecoderState
    manifest: Manifest

    def __init__(self, model: LoadedModel, folder: Path, lock: SessionLock, say: Say) -> None:
        self.model = model
        self.say = say
        self.folder = folder
        self.snapshots = Snapshots(model.decoder, folder)
        self.tokens_read = 0
        self._lock = lock
        self._broken_off = False

    @property
    def name(self) -> str:
        """The name it was given, or that of its content."""
        return self.folder.name

    @cached_property
    def ends(self) -> np.ndarray:
        """Where each document token ends in the text, int64 [T - n_prefix]."""
        return np.append(self.starts[1:], len(self.document.text))

    def read(
        self,
        on_progress: Callable[[reading.Progress], None] | None = None,
        *,
        chunk: int | None = None,
        checkpoint_seconds: float = reading.CHECKPOINT_SECONDS,
    ) -> None:
        """Reads what is not read yet; `tokens_read` counts it. Ctrl-C and errors lose nothing.

        Raises `RequestError` if the disk has not room enough, at the start or on the way.
        """
        if self.manifest.is_complete:
            return
        self._check_room()
        if self._broken_off:
            self._load()
        first = self.manifest.length
        self._broken_off = True
        try:
            reading.read(
                self.model.decoder,
                self.ids,
                self.state,
                chunk=chunk,
                on_progress=on_progress,
                on_checkpoint=self._checkpoint,
                checkpoint_seconds=checkpoint_seconds,
            )
        finally:
            self.tokens_read += self.manifest.length - first
        self._broken_off = False
        self._lock.share()

    def searches(self, search: Search | None) -> bool:
        """Whether asking with `search` sees less than everything."""
        indexed = search is not None and len(self.ids) > search.exact_below
        return indexed and self.snapshots.is_indexed()

    def announce(self, *, whole: bool) -> None:
        """Has the kernel begin to read what asking needs: the `whole` stores, or their index."""
        self.snapshots.announce(whole=whole)

    def close(self) -> None:
        """Lets other processes have it."""
        self._lock.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_room(self) -> None:
        missing = self.manifest.n_tokens - self.manifest.length
        needed = self.snapshots.bytes_on_disk(missing) + SPARE_BYTES
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise RequestError(
                f"reading {missing:,} tokens takes {needed / 1e9:.2f} GB on the disk that holds"
                f" {self.folder}, where {free / 1e9:.2f} GB are free; free some space or set"
                " FARSPAN_CACHE to a folder on a larger disk"
            )

    def _checkpoint(self, state: DecoderState) -> None:
        """Makes `state` what the session holds; until it is whole the old checkpoint counts."""
        with told_if_full(self.folder):
            self.snapshots.flush(state)
        name = f"state-{state.length}.safetensors"
        data = save_tensors(self.snapshots.tensors(state))
        write_whole(self.folder / name, data)
        old = self.manifest.state
        files = {k: v for k, v in self.manifest.files.items() if k != old} | {name: sha256(data)}
        manifest = replace(self.manifest, length=state.length, state=name, files=files)
        manifest.write(self.folder)
        self.manifest, self.state = manifest, state
        if old is not None and old != name:
            (self.folder / old).unlink(missing_ok=True)

    def _create(self, document: Document) -> None:
        """Starts over with a document; a failure leaves no folder behind."""
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            with told_if_full(self.folder.parent):
                self.folder.mkdir()
            self._write_document(document)
            self.state = self.snapshots.empty()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _write_document(self, document: Document) -> None:
        model = self.model
        head = model.tokenizer.encode(model.format.before_document)
        ids, starts = model.tokenizer.encode_document(document.text)
        self.document, self.starts = document, starts
        self.ids = np.concatenate((np.array(head, dtype=np.uint32), ids))
        text = document.text.encode()
        contents = {TEXT: text, IDS: array_bytes(self.ids), STARTS: array_bytes(starts)}
        for name, data in contents.items():
            write_whole(self.folder / name, data)
        self.manifest = Manifest(
            model=model.name,
            identity=model.identity,
            plan=model.plan,
            dtype=model.dtype,
            layout=self.snapshots.layout(),
            text_sha256=sha256(text),
            parts=document.parts,
            n_tokens=len(self.ids),
            n_prefix=len(head),
            length=0,
            state=None,
            files={name: sha256(data) for name, data in contents.items()},
            position=model.position,
        )
        self.manifest.write(self.folder)

    def _load(self) -> None:
        """Takes up what the folder holds."""
        manifest = self.manifest
        self.document = manifest.document(self.folder)
        self.ids = manifest.array(self.folder, IDS)
        self.starts = manifest.array(self.folder, STARTS)
        if manifest.state is None:
            self.state = self.snapshots.empty()
            return
        try:
            tensors = load_tensors(manifest.contents(self.folder, manifest.state))
        except SafetensorError as error:
            raise DamagedFileError(f"{manifest.state} cannot be read: {error}") from error
        self.state = self.snapshots.restore(tensors, manifest.length)
        if self.snapshots.lacks_index():
            self.say(f"session {self.name} has no complete index; it is made again")
            self.snapshots.mend_index()


def open_session(
    model: LoadedModel,
    document: Document | None,
    *,
    name: str | None = None,
    force: bool = False,
    say: Say = lambda message: None,
) -> Session:
    """Opens the session of a document, or the named one, and makes it where there is none.

    Without a document, `name` must exist and brings its own; `force` starts over; `say` is told
    what is done otherwise than expected. Raises
    `RequestError` if the name holds another document or was read by another model, or another
    process is using it; `DamagedFileError` if its files are not what was written.
    """
    session = _locked(model, document, name, say)
    try:
        with told_if_full(session.folder.parent):
            _fill(session, document, name, force)
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
    folder, afresh = session.folder, force and document is not None
    session._lock.share()
    stored = None if afresh else Manifest.read(folder)
    if stored is None and document is None:
        raise RequestError(f"there is no session {name!r} to go on with; {_known_names()}")
    if stored is None or force or not stored.is_complete:
        session._lock.own()
        stored = None if afresh else Manifest.read(folder)
    if document is None and stored is not None and force:
        document, stored = stored.document(folder), None
    if stored is not None:
        _check_same(stored, session, document)
        session.manifest = stored
        session._load()
    else:
        assert document is not None
        session._create(document)


def _check_same(stored: Manifest, session: Session, document: Document | None) -> None:
    """Raises `RequestError` if a named session was made for another document or model."""
    model, name = session.model, session.name
    otherwise = "give another --session NAME, or start it over with --force"
    if document is not None and sha256(document.text.encode()) != stored.text_sha256:
        was = Document("", stored.parts).name
        raise RequestError(f"session {name} holds another document ({was}); {otherwise}")
    if (stored.model, stored.plan, stored.dtype) != (model.name, model.plan, model.dtype):
        raise RequestError(
            f"session {name} was read by {stored.model} in {stored.dtype} with plan {stored.plan},"
            f" not by {model.name} in {model.dtype} with plan {model.plan}; {otherwise}"
        )
    if stored.position != model.position:
        was, now = (x or "the checkpoint's own" for x in (stored.position, model.position))
        raise RequestError(f"session {name} was read with positions {was}, not {now}; {otherwise}")
    if stored.identity != model.identity or stored.layout != session.snapshots.layout():
        raise RequestError(f"session {name} was read with other weights; {otherwise}")


def stored_settings(name: str) -> Manifest | None:
    """What a named session was read with, if there is one. Raises `DamagedFileError`."""
    folder = _sessions() / _checked_name(name)
    try:
        return Manifest.read(folder)
    except DamagedFileError as error:
        raise DamagedFileError(
            f"the session in {folder} is damaged ({error}); read the document again with"
            f" PATH --session {name} --force, or delete the folder"
        ) from error


def _locked(model: LoadedModel, document: Document | None, name: str | None, say: Say) -> Session:
    """A session without content, and with its lock file open."""
    root = _sessions()
    if name is None:
        if document is None:
            raise RequestError("no document was given, nor the name of a session")
        layout = Snapshots(model.decoder, root).layout()
        keys = (sha256(document.text.encode()), model.identity, layout)
        folder = root / (_UNNAMED + sha256("\n".join(keys).encode())[:24])
    else:
        folder = root / _checked_name(name)
    try:
        with told_if_full(root):
            root.mkdir(parents=True, exist_ok=True)
            lock = SessionLock(root / f"{folder.name}.lock", folder.name)
    except OSError as error:
        raise RequestError(
            f"sessions cannot be kept in {root} ({error.strerror}); set FARSPAN_CACHE to a folder"
            " that can be written"
        ) from error
    return Session(model, folder, lock, say)


def _sessions() -> Path:
    return cache_folder() / "sessions"


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name) or name.startswith(_UNNAMED) or name.endswith(".lock"):
        raise RequestError(
            f"session name {name!r}: use up to 100 letters, digits, dots, dashes and underscores,"
            f" beginning with a letter or digit, and not with {_UNNAMED!r}"
        )
    return name


def _known_names() -> str:
    root = _sessions()
    names = sorted(
        path.parent.name
        for path in (root.glob("*/manifest.json") if root.is_dir() else ())
        if not path.parent.name.startswith(_UNNAMED)
    )
    return f"there are {', '.join(names[:10])}" if names else "none has been made yet"
