"""Documents: taken in, read as jobs, asked, and deleted.

Whatever takes long or touches the disk runs in one worker thread, in order, so that opening,
cancelling and deleting never cross each other.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from farspan.data.reader import Document, document_from_text
from farspan.engine.reading import Progress
from farspan.engine.scheduler import Loop
from farspan.engine.scheduler.reading import Reading, is_read, tokens_read
from farspan.engine.session import Session
from farspan.errors import RequestError
from farspan.files import write_whole
from farspan.models.load import LoadedModel
from farspan.server import entry as entries
from farspan.server import stored
from farspan.server.entry import Entry
from farspan.server.errors import ApiError
from farspan.server.settings import Settings

log = logging.getLogger(__name__)


class Library:
    """The documents of all tenants, and the sessions that are open."""

    def __init__(self, model: LoadedModel, loop: Loop, settings: Settings) -> None:
        self.model, self.loop, self.settings = model, loop, settings
        self.folder = stored.documents_folder()
        self.entries = {entry.id: entry for entry in entries.read_entries(self.folder)}
        self.open: OrderedDict[str, Session] = OrderedDict()
        self.readings: dict[str, Reading] = {}
        self._worker = ThreadPoolExecutor(1, "farspan-library")
        self._closing = False
        self._lock = threading.RLock()  # between those who cancel and the worker who begins

    def resume(self) -> None:
        """Goes on with what was being read when the server went down."""
        for entry in list(self.entries.values()):
            if entry.status in entries.UNFINISHED:
                self._later(self._start, entry)

    # Told by requests

    def list(self, tenant: str) -> list[Entry]:
        """A tenant's documents, the newest first."""
        own = [entry for entry in self.entries.values() if entry.tenant == tenant]
        return sorted(own, key=lambda entry: -entry.created)

    def find(self, tenant: str, document: str) -> Entry:
        """A tenant's document; `ApiError` 404 if there is none of this id."""
        entry = self.entries.get(document)
        if entry is None or entry.tenant != tenant:
            raise ApiError(
                f"there is no document {document!r}; GET /v1/documents lists them",
                status=404,
                param="document",
            )
        return entry

    def add(self, tenant: str, text: str, name: str) -> Entry:
        """Takes a document in and begins to read it. Raises `RequestError` for empty texts."""
        data = document_from_text(text, name).text.encode()
        if len(self.list(tenant)) >= self.settings.documents:
            raise ApiError(
                f"{self.settings.documents} documents are kept already; delete one first",
                status=409,
                code="too_many_documents",
            )
        if len(data) > self.settings.document_bytes:
            raise ApiError(
                f"the document has {len(data):,} bytes; up to {self.settings.document_bytes:,} are"
                " taken",
                status=413,
                param="text",
            )
        fresh = Entry(f"doc-{secrets.token_hex(12)}", tenant, name, len(data), entries.now())
        write_whole(self.folder / f"{fresh.id}.txt", data)
        fresh.write(self.folder)
        self.entries[fresh.id] = fresh
        self._later(self._start, fresh)
        return fresh

    def cancel(self, entry: Entry) -> None:
        """Stops reading; what was read is kept."""
        with self._lock:
            if entry.status not in entries.UNFINISHED:
                raise ApiError(f"the document is not being read: it is {entry.status}", status=409)
            self._set(entry, entries.CANCELLED)
            self._stop(entry)

    def go_on(self, entry: Entry) -> None:
        """Reads on after a cancel or a failure."""
        if entry.status not in (entries.CANCELLED, entries.FAILED):
            raise ApiError(f"there is nothing to go on with: it is {entry.status}", status=409)
        entry.error = None
        self._set(entry, entries.QUEUED)
        self._later(self._start, entry)

    def delete(self, entry: Entry) -> Future[None]:
        """Forgets a document; done when its room on disk is free."""
        with self._lock:
            self._stop(entry)
            del self.entries[entry.id]
        return self._worker.submit(self._delete, entry)

    def session(self, entry: Entry) -> Future[Session]:
        """The session of a document that has been read."""
        return self._worker.submit(self._session, entry)

    def close(self) -> None:
        """Lets go of everything; the loop has been closed, and with it all readings saved."""
        self._closing = True
        self._worker.shutdown(wait=True)
        for session in self.open.values():
            session.close()

    # In the worker's thread

    def _later(self, work: Callable[[Entry], None], entry: Entry) -> None:
        def run() -> None:
            try:
                work(entry)
            except Exception as error:
                self._fail(entry, error)

        self._worker.submit(run)

    def _start(self, entry: Entry) -> None:
        if not self._is_wanted(entry):
            return
        earlier = self.readings.pop(entry.id, None)
        if earlier is not None:
            earlier.wait()
        session = self._opened(entry)
        entry.total, entry.done = len(session.ids), tokens_read(session)
        if is_read(session):
            self._set(entry, entries.READY)
            return

        def progress(found: Progress) -> None:
            entry.done, entry.tokens_per_second = found.done, round(found.tokens_per_second, 1)
            entry.seconds_left = round(found.seconds_left, 1)

        def ended(error: Exception | None) -> None:
            self._ended(entry, session, error)

        reading = Reading(session, entry.tenant, progress, ended)
        with self._lock:
            if self._is_wanted(entry):
                self.readings[entry.id] = reading
                self._set(entry, entries.READING)
                self.loop.read(reading)

    def _is_wanted(self, entry: Entry) -> bool:
        unfinished = entry.status in entries.UNFINISHED
        return unfinished and not self._closing and not self._is_gone(entry)

    def _stop(self, entry: Entry) -> None:
        reading = self.readings.get(entry.id)
        if reading is not None:
            self.loop.cancel(reading)

    def _ended(self, entry: Entry, session: Session, error: Exception | None) -> None:
        """Told in the thread that wrote the last checkpoint."""
        entry.seconds_left = None
        if error is not None:
            self._fail(entry, error)
        elif is_read(session):
            entry.done = entry.total
            self._set(entry, entries.READY)
        else:
            entry.done = tokens_read(session)
            self._set(entry, entry.status)

    def _fail(self, entry: Entry, error: Exception) -> None:
        if not isinstance(error, RequestError):
            log.error("document %s failed", entry.id, exc_info=error)
        told = str(error) if isinstance(error, RequestError) else "the server failed to read it"
        entry.error = told
        self._set(entry, entries.FAILED)

    def _set(self, entry: Entry, status: str) -> None:
        entry.status = status
        if not self._is_gone(entry):
            entry.write(self.folder)

    def _is_gone(self, entry: Entry) -> bool:
        return entry.id not in self.entries

    def _session(self, entry: Entry) -> Session:
        if self._is_gone(entry) or entry.status != entries.READY:
            raise ApiError("the document has not been read to its end", status=409)
        return self._opened(entry)

    def _opened(self, entry: Entry) -> Session:
        session = self.open.get(entry.id)
        if session is None:
            session = stored.open_stored(self.model, entry.session, self._source(entry))
            (self.folder / f"{entry.id}.txt").unlink(missing_ok=True)
            self.open[entry.id] = session
        self.open.move_to_end(entry.id)
        idle = [i for i in self.open if i not in self.readings or not self.readings[i].left]
        for old in idle[: max(0, len(self.open) - self.settings.open_sessions)]:
            if old != entry.id:
                self.open.pop(old).close()
        return session

    def _source(self, entry: Entry) -> Document | None:
        """The text as it was taken in, until its session has it."""
        path = self.folder / f"{entry.id}.txt"
        return document_from_text(path.read_text("utf-8"), entry.name) if path.exists() else None

    def _delete(self, entry: Entry) -> None:
        reading = self.readings.pop(entry.id, None)
        if reading is not None:
            reading.wait()
        session = self.open.pop(entry.id, None)
        if session is not None:
            session.close()
        stored.delete_session(entry.session)
        for suffix in (".json", ".txt"):
            (self.folder / f"{entry.id}{suffix}").unlink(missing_ok=True)


def session_report(entry: Entry) -> dict[str, Any]:
    """A document's session: what of it lies on disk."""
    return {
        "object": "session",
        "id": entry.id,
        "document": entry.name,
        "tokens": entry.done,
        "bytes_on_disk": stored.bytes_on_disk(entry.session),
        "status": entry.status,
        "created": entry.created,
    }
