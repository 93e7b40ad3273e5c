"""Reading ahead finds the right folder, asks for every byte, and never gets in the way."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from farspan.data.reader import document_from_text
from farspan.engine import ahead
from farspan.engine.session import open_session
from tests.tiny import STORY, make_model

DOCUMENT = document_from_text(STORY, "story.txt")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path / "cache"))
    with open_session(make_model(), DOCUMENT, name="story") as session:
        session.read()
        return session.folder


def test_finds_sessions_by_name_and_by_text(folder):
    assert ahead.find_session("story", None) == folder
    assert ahead.find_session(None, STORY) == folder
    assert ahead.find_session(None, STORY + "!") is None
    assert ahead.find_session("other", STORY) is None
    (folder / "manifest.json").write_text("[")
    assert ahead.find_session(None, STORY) is None


@pytest.mark.parametrize("whole", [True, False])
def test_asks_for_what_will_be_read(folder, monkeypatch, whole):
    """All of a store, or of all stores but the last the index, in the order of the layers."""
    asked = []
    monkeypatch.setattr(ahead, "SLICE", 512)
    monkeypatch.setattr(ahead, "EXACT_BELOW", 100)

    def note(descriptor, start, size, what):
        asked.append((os.fstat(descriptor).st_ino, start))

    monkeypatch.setattr(os, "posix_fadvise", note)
    ahead.read_ahead(folder, whole=whole).join()
    layers = sorted({path.name.split(".")[0] for path in folder.glob("layer-*.keys.0")})
    assert len(layers) > 1
    stores = [f"{x}.{part}.0" for x in layers for part in ("keys", "values")]
    names = stores if whole else [*(f"{x}.means.0" for x in layers[:-1]), *stores[-2:]]
    wanted = {
        ((folder / name).stat().st_ino, start)
        for name in names
        for start in range(0, (folder / name).stat().st_size, 512)
    }
    assert len(wanted) > 4 and set(asked) == wanted and len(asked) == len(wanted)


def test_a_folder_that_goes_away_is_no_error(folder):
    for path in folder.glob("layer-*.values.0"):
        path.unlink()
    ahead.read_ahead(folder).join()


def test_needs_no_torch():
    code = "import sys, farspan.engine.ahead; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
