"""Processes killed at any moment: nothing is lost but what was being read, and nothing is wrong."""

from __future__ import annotations

import io
import os
import random
import signal
import time
import traceback

import pytest

from farspan.data.reader import document_from_text
from farspan.engine import session_folder, shelf
from farspan.engine.names import sessions_folder
from farspan.engine.portable import export_session, import_session
from farspan.engine.session import open_session
from farspan.engine.verify import verify
from farspan.errors import RequestError
from tests.engine.held import DOCUMENT, read_all, same
from tests.tiny import make_model

MODEL = make_model()
CHUNK = 32
GROWN = document_from_text(DOCUMENT.text + "The goat ran away.\n" * 20, "story.txt")
SHORTER = document_from_text(DOCUMENT.text[:2500], "story.txt")


@pytest.fixture(autouse=True)
def every_chunk(cache, monkeypatch):
    """Each chunk is a block of which no more than itself may be lost."""
    monkeypatch.setattr(session_folder, "COMMIT_TOKENS", CHUNK)
    monkeypatch.setattr(session_folder, "COMMIT_SECONDS", 0.0)


def read(name, document, tell=lambda done: None):
    with open_session(MODEL, document, name=name) as session:
        session.read(chunk=CHUNK, on_progress=lambda progress: tell(progress.done))
    return session


def work(seed, tell):
    """What a process does until it is killed."""
    rng = random.Random(seed)
    while True:
        action = rng.choice(
            ("read", "read", "grow", "shorten", "fork", "rewind", "import", "evict")
        )
        tell(action)
        try:
            if action == "read":
                read("main", DOCUMENT, lambda done: tell(f"main {done}"))
            elif action == "grow":
                read("side", GROWN)
            elif action == "shorten":
                read("side", SHORTER)
            elif action == "fork":
                shelf.fork("main", f"fork{rng.randrange(3)}", rng.randrange(100, 900))
            elif action == "rewind":
                shelf.rewind("side", rng.randrange(100, 600))
            elif action == "import":
                file = io.BytesIO()
                export_session("main", file)
                import_session(io.BytesIO(file.getvalue()), f"copy{rng.randrange(2)}")
            else:
                for name in ("fork0", "fork1", "copy0"):
                    shelf.delete(name)
        except RequestError:
            pass  # no such session yet, or one already


def killed(seed, delay):
    """What a process told before it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(seed, lambda what: os.write(writing, f"{what}\n".encode()))
        except BaseException:
            os.write(writing, b"failed " + traceback.format_exc().encode())
        os._exit(1)
    os.close(writing)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with open(reading, "rb") as told:
        return told.read().decode().splitlines()


def crash(times, seed):
    rng = random.Random(seed)
    whole = read("whole", DOCUMENT)
    longer = read("longer", GROWN)
    stages = set()
    for _ in range(times):
        told = killed(rng.randrange(1 << 30), rng.uniform(0, 0.5))
        assert not [x for x in told if x.startswith("failed")], "\n".join(told)
        stages.add(next((x for x in reversed(told) if " " not in x), ""))
        shelf.sweep()
        for path in sessions_folder().iterdir():
            if path.is_dir() and (path / "manifest.json").exists():
                assert verify(path.name).problems == (), told
        done = [int(x.split()[1]) for x in told if x.startswith("main ")]
        with open_session(MODEL, DOCUMENT, name="main") as session:
            assert session.length > max(done, default=0) - CHUNK  # the last one may be short
            if rng.random() < 0.3:
                read_all(session, CHUNK)
                assert same(session, whole)
        if rng.random() < 0.2:
            assert same(read("side", GROWN), longer)
        if rng.random() < 0.2:
            for name in ("main", "side"):
                shelf.delete(name) if (sessions_folder() / name).exists() else None
    assert not list(sessions_folder().glob(".*"))
    return stages


def test_a_dozen_kills_lose_nothing():
    assert crash(12, 0)


@pytest.mark.slow
def test_two_hundred_kills_lose_nothing():
    assert {"read", "grow", "shorten", "fork", "import"} <= crash(200, 1)
