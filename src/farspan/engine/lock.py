"""One writer a session, or any number of askers."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from farspan.errors import RequestError


class SessionLock:
    """An advisory lock on a file, which the system lets go when the process ends, however it ends.

    Shared while a session is only asked, exclusive while it is written; then the file names the
    process. Raises `RequestError` if another process is in the way.
    """

    def __init__(self, path: Path, session: str) -> None:
        self.session = session
        self.path = path
        self._descriptor = self._open()
        self.owns = False

    def share(self) -> None:
        """For asking; lets other processes ask too."""
        self._take(fcntl.LOCK_SH)
        self.owns = False

    def own(self) -> None:
        """For reading a document into the session."""
        self._take(fcntl.LOCK_EX)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        self.owns = True

    def close(self) -> None:
        """Lets go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Takes the file away with the session that it stood for, and lets go."""
        assert self.owns, "only a writer may remove a session"
        self.path.unlink(missing_ok=True)
        self.close()

    def __enter__(self) -> SessionLock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)

    def _take(self, kind: int) -> None:
        try:
            fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
            while not self._is_current():  # its session was deleted before the lock was ours
                os.close(self._descriptor)
                self._descriptor = self._open()
                fcntl.flock(self._descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            writer = os.pread(self._descriptor, 32, 0).decode(errors="replace")
            who = f" {writer}" if kind == fcntl.LOCK_SH and writer else ""
            raise RequestError(
                f"session {self.session} is in use by another process{who};"
                " wait until it has finished, or give another --session NAME"
            ) from error

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False
