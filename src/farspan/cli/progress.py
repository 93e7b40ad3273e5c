"""How far a long reading is, on stderr: a bar at a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from farspan.units import show_length

if TYPE_CHECKING:
    from farspan.data.generation.run import Progress as GenerationProgress
    from farspan.engine.reading import Progress
    from farspan.evaluation.runner import Progress as EvaluationProgress

PATIENCE_SECONDS = 2.0
"""What takes no longer than this is not worth a bar."""

LINE_SECONDS = 30.0


class ReadingBar:
    """Shows the progress it is called with; `last` is the latest. Use it as a context manager."""

    def __init__(self) -> None:
        self.last: Progress | None = None
        self._started = self._shown = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, progress: Progress) -> None:
        """Shows how far it is."""
        self.last = progress
        now = time.monotonic()
        if self._bar is None and sys.stderr.isatty():
            slow = now - self._started > PATIENCE_SECONDS
            if slow or progress.seconds_left > PATIENCE_SECONDS:
                self._start(progress)
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=progress.done,
                speed=f"{progress.tokens_per_second:,.0f} tokens/s",
                left=f"{_duration(progress.seconds_left)} left",
            )
        elif not sys.stderr.isatty() and now - self._shown > LINE_SECONDS:
            self._shown = now
            print(describe(progress), file=sys.stderr)

    def __enter__(self) -> ReadingBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _start(self, progress: Progress) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("reading"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("tokens  {task.fields[speed]}  {task.fields[left]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=progress.total, speed="", left="")
        self._bar.start()


class _Line:
    """A line that a terminal overwrites; elsewhere a line now and then. A context manager."""

    def __init__(self) -> None:
        self._shown = 0.0
        self._open = False

    def _show(self, line: str, last: bool) -> None:
        now = time.monotonic()
        terminal = sys.stderr.isatty()
        if not last and now - self._shown < (0.2 if terminal else LINE_SECONDS):
            return
        self._shown = now
        end = "" if terminal else "\n"
        print(f"\r\x1b[K{line}" if terminal else line, end=end, file=sys.stderr, flush=True)
        self._open = terminal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the line."""
        if self._open:
            print(file=sys.stderr)
            self._open = False


class EvaluationBar(_Line):
    """Tells how far an evaluation is, in a line. A context manager."""

    def __call__(self, progress: EvaluationProgress) -> None:
        """Shows how far it is."""
        self._show(
            f"{progress.model}: {progress.done} of {progress.total} samples,"
            f" {_duration(progress.seconds_left)} left"
            f" ({progress.task} at {show_length(progress.length)})",
            progress.done == progress.total,
        )


class GenerationBar(_Line):
    """Tells how far the making of data is, in a line. A context manager."""

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()

    def __call__(self, progress: GenerationProgress) -> None:
        """Shows how far it is."""
        speed = progress.tokens / max(time.monotonic() - self._started, 1e-9)
        of = f" of {progress.total:,} rows" if progress.total else " documents"
        self._show(
            f"{progress.doing}: {progress.done:,}{of}, {progress.tokens:,} tokens,"
            f" {speed:,.0f} tokens/s",
            progress.done == progress.total,
        )


def describe(progress: Progress) -> str:
    """Progress in a line."""
    return (
        f"read {progress.done:,} of {progress.total:,} tokens,"
        f" {progress.tokens_per_second:,.0f} tokens/s,"
        f" {_duration(progress.seconds_left)} left"
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"
