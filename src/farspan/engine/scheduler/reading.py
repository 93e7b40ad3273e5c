"""Documents that are read in the scheduler's steps, a chunk at a time, into their sessions.

The one place that knows how a session takes a state in.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from farspan.engine.reading import Progress
from farspan.engine.scheduler.ragged import Chunk
from farspan.engine.session_folder import CHECKPOINT_SECONDS, Session
from farspan.models.decoder import DecoderState


def tokens_read(session: Session) -> int:
    """How many tokens a session holds."""
    return session.length


def is_read(session: Session) -> bool:
    """Whether a session holds its whole document."""
    return session.is_complete


class Reading:
    """A session on its way through its document.

    Checkpoints are written in a thread of their own, since bringing files to disk may take longer
    than a step. `on_progress` is told in the scheduler's thread how far it is, `on_end` at the end
    with the error if there was one.
    """

    def __init__(
        self,
        session: Session,
        tenant: str = "",
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_end: Callable[[Exception | None], None] = lambda error: None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self.session, self.tenant = session, tenant
        self.on_progress, self.on_end = on_progress, on_end
        self.cancelled = False
        self.state: DecoderState = session.state
        self.checkpoint_seconds = checkpoint_seconds
        self._first, self._began = self.state.length, time.perf_counter()
        self._saved_at = self._began
        self._writer = ThreadPoolExecutor(1, "farspan-checkpoint")
        self._writing: Future[None] | None = None
        self._ended = threading.Event()
        session.reserve()

    @property
    def left(self) -> int:
        """Tokens still to be read."""
        return len(self.session.ids) - self.state.length

    def chunk(self, most: int) -> Chunk:
        """The next tokens."""
        start = self.state.length
        ids = self.session.ids[start : start + most].tolist()
        return Chunk(ids, self.state, asked=False, scored=False)

    def moved(self, state: DecoderState) -> None:
        """A chunk went in; now and then a checkpoint is begun."""
        self.state = state
        now = time.perf_counter()
        if self._writing is not None and self._writing.done():
            self._writing.result()
            self._writing = None
        if now - self._saved_at > self.checkpoint_seconds and self._writing is None and self.left:
            self._saved_at = now
            self._writing = self._writer.submit(self.session.commit, state, on_disk=True)
        speed = (state.length - self._first) / max(now - self._began, 1e-9)
        self.on_progress(Progress(state.length, len(self.session.ids), speed))

    def end(self, error: Exception | None = None) -> None:
        """Saves what was read and tells of the end, in the writer's thread."""
        self._writer.submit(self._end, error)
        self._writer.shutdown(wait=False)

    def wait(self) -> None:
        """Until it has ended and all is written; `end` may still be to come."""
        self._ended.wait()

    def _end(self, error: Exception | None) -> None:
        session = self.session
        try:
            if error is None and self.state.length > tokens_read(session):
                session.commit(self.state, on_disk=True)
            if is_read(session):
                session.finish()
        except Exception as failure:  # told to whoever waits: there is nobody else in this thread
            error = failure
        try:
            self.on_end(error)
        finally:
            self._ended.set()
