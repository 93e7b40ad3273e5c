"""The thread in which a scheduler's steps run."""

from __future__ import annotations

import logging
import threading

from farspan.engine.scheduler.reading import Reading
from farspan.engine.scheduler.request import Request, Sink, Ticket
from farspan.engine.scheduler.scheduler import Scheduler

log = logging.getLogger(__name__)


class Loop:
    """Runs a scheduler's steps while there is anything to do. A context manager."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self._wake = threading.Event()
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="farspan-steps", daemon=True)
        self._thread.start()

    def submit(self, request: Request, sink: Sink) -> Ticket:
        """As `Scheduler.submit`."""
        ticket = self.scheduler.submit(request, sink)
        self._wake.set()
        return ticket

    def read(self, reading: Reading) -> None:
        """As `Scheduler.read`."""
        self.scheduler.read(reading)
        self._wake.set()

    def cancel(self, work: Ticket | Reading) -> None:
        """Ends a request or a reading at the next step."""
        work.cancelled = True
        self._wake.set()

    @property
    def is_alive(self) -> bool:
        """Whether steps are run."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Ends the step that runs, then everything; returns when all readings are saved."""
        self._ends = True
        self._wake.set()
        self._thread.join()
        for reading in self.scheduler.close():
            reading.wait()

    def __enter__(self) -> Loop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        while not self._ends:
            try:
                busy = self.scheduler.step()
            except (
                Exception
            ):  # nobody stands above this thread: what is on its way ends, others go on
                log.exception("a step failed; everything on its way is given up")
                self.scheduler.close()
                busy = True
            if not busy:
                self._wake.wait()
                self._wake.clear()
