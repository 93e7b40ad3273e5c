import io
import sys

import pytest

from farspan.cli import progress as module
from farspan.cli.progress import ReadingBar, describe
from farspan.engine.reading import Progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_line():
    assert describe(Progress(1000, 1_000_000, 700.0)) == (
        "read 1,000 of 1,000,000 tokens, 700 tokens/s, 23:47 min left"
    )
    assert describe(Progress(0, 9_000_000, 1000.0)).endswith("2 h 30 min left")
    assert describe(Progress(0, 9, 1.0)).endswith("9 s left")


def test_lines_now_and_then_where_there_is_no_terminal(clock, monkeypatch, capsys):
    with ReadingBar() as bar:
        for seconds in (1, 20, 31, 50, 65):
            clock[0] = seconds
            bar(Progress(seconds, 100, 1.0))
    err = capsys.readouterr().err
    assert [line.split()[1] for line in err.splitlines()] == ["31", "65"]
    assert bar.last.done == 65


def test_a_bar_at_a_terminal_if_it_takes_long(clock, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with ReadingBar() as bar:
        bar(Progress(99, 100, 100.0))
        assert screen.getvalue() == ""
        bar(Progress(10, 1000, 100.0))
        assert bar._bar is not None
        bar(Progress(500, 1000, 100.0))
        bar._bar.refresh()
    assert bar._bar is None
    assert "500/1000" in screen.getvalue() and "100 tokens/s" in screen.getvalue()
