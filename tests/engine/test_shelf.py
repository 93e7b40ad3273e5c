"""Forks and rewinds are cheap and keep apart: nothing is copied, nobody sees the other's tokens."""

from __future__ import annotations

import os
import time

import pytest

from farspan.data.reader import document_from_text
from farspan.engine import shelf
from farspan.engine.names import sessions_folder
from farspan.engine.session import open_session
from farspan.errors import RequestError
from tests.engine.held import DOCUMENT, answer, contents, read_all, same
from tests.tiny import STORY, make_model

pytestmark = pytest.mark.usefixtures("cache")
MODEL = make_model()
FULL = make_model("full*5")
GROWN = document_from_text(DOCUMENT.text + "The goat ran away.\n" * 20, "story.txt")
OTHER = document_from_text(DOCUMENT.text + "Nobody saw them again.\n" * 20, "story.txt")


def reading(document, name, model=MODEL):
    with open_session(model, document, name=name) as session:
        read_all(session)
    return session


def anew(document, name, model=MODEL):
    with open_session(model, document, name=name, force=True) as session:
        read_all(session)
    return session


def stores(name):
    return {p.name: p.stat() for p in (sessions_folder() / name).glob("layer-*")}


@pytest.mark.parametrize("model", [MODEL, FULL], ids=["recall", "full"])
def test_a_fork_shares_everything_and_both_go_on_alone(model):
    first = reading(DOCUMENT, "one", model)
    before = stores("one")
    shelf.fork("one", "two")
    assert {k: v.st_ino for k, v in stores("two").items()} == {
        k: v.st_ino for k, v in before.items()
    }
    grown, other = reading(GROWN, "one", model), reading(OTHER, "two", model)
    assert 0 < grown.tokens_read < len(grown.ids) / 2
    assert same(grown, anew(GROWN, "grown", model)) and same(other, anew(OTHER, "other", model))
    assert answer(grown) == answer(anew(GROWN, "grown", model))
    shelf.delete("one")
    with open_session(model, None, name="two") as left:
        assert same(left, other) and answer(left) == answer(other)
    assert first.folder != left.folder and not first.folder.exists()


def test_a_fork_of_a_fork_after_the_first_is_deleted_writes_in_place_again():
    reading(DOCUMENT, "one")
    shelf.fork("one", "two", 300)
    shelf.fork("two", "three", 200)
    shelf.delete("one")
    shelf.delete("three")
    session = reading(GROWN, "two")
    assert same(session, anew(GROWN, "grown"))
    assert set(stores("two")) == set(stores("grown"))


def test_any_place_can_be_gone_back_to():
    whole = reading(DOCUMENT, "one")
    places = shelf.look(whole.folder).places
    assert len(places) >= 4 and places[-1] == len(whole.ids)
    for i, at in enumerate((*places[:-1], 200, 131, len(whole.ids) - 1)):
        told = shelf.fork("one", f"fork{i}", at)
        assert (told.tokens, told.tokens_read) == (at, max(x for x in (0, *places) if x <= at))
        with open_session(MODEL, None, name=f"fork{i}") as session:
            assert session.length == told.tokens_read
            read_all(session)
            assert len(session.ids) == at and session.is_complete
            assert whole.document.text.startswith(session.document.text)
            assert session.document.parts[0].length == len(session.document.text)
    shelf.fork("one", "six", 600)
    told = shelf.rewind("one", 600)
    assert (told.tokens, told.tokens_read) == (600, 512)
    with (
        open_session(MODEL, None, name="one") as back,
        open_session(MODEL, None, name="six") as six,
    ):
        read_all(back)
        read_all(six)
        assert back.tokens_read == 88 and same(back, six)


def test_a_rewound_session_given_its_document_reads_it_again():
    whole = reading(DOCUMENT, "one")
    expected = contents(whole)
    shelf.rewind("one", 700)
    said = []
    with open_session(MODEL, DOCUMENT, name="one", say=said.append) as session:
        assert session.length == 640 and "read on from token 640" in said[0]
        read_all(session)
        assert contents(session).keys() == expected.keys() and same(session, whole)


def test_a_place_between_needs_no_copy_and_no_time(monkeypatch):
    session = reading(DOCUMENT, "one")
    monkeypatch.setattr("shutil.copyfileobj", None)
    began = time.perf_counter()
    shelf.fork("one", "two", 500)
    shelf.rewind("two", 400)
    assert time.perf_counter() - began < 0.1
    own, shared = shelf.bytes_on_disk(sessions_folder() / "two")
    assert own < 4096 < shared
    assert shelf.bytes_on_disk(session.folder)[1] > 0


def test_bad_forks_and_rewinds():
    session = reading(DOCUMENT, "one")
    shelf.fork("one", "two")
    for call, message in [
        (lambda: shelf.fork("one", "two"), "there is a session two already"),
        (lambda: shelf.fork("none", "new"), "there is no session 'none'; there are one, two"),
        (lambda: shelf.fork("one", "../x"), "session name"),
        (lambda: shelf.fork("one", "content-x"), "session name"),
        (lambda: shelf.fork("one", "new", 0), r"token 0 is not in the session of story.txt; take"),
        (lambda: shelf.rewind("one", len(session.ids) + 1), "is not in the session"),
        (lambda: shelf.delete("three"), "there is no session 'three'"),
    ]:
        with pytest.raises(RequestError, match=message):
            call()
    assert sorted(p.name for p in sessions_folder().iterdir()) == [
        "one", "one.lock", "two", "two.lock",
    ]  # fmt: skip
    with open_session(MODEL, None, name="one"):
        shelf.fork("one", "three")
        with pytest.raises(RequestError, match="in use"):
            shelf.rewind("one", 100)
        with pytest.raises(RequestError, match="in use"):
            shelf.delete("one")


def test_a_folder_that_cannot_be_written_is_told(monkeypatch):
    reading(DOCUMENT, "one")

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    for call in (lambda: shelf.delete("one"), lambda: shelf.fork("one", "two")):
        with pytest.raises(RequestError, match=r"cannot be used or changed \(Read-only file sys"):
            call()


def test_deleting_frees_all_and_the_name():
    reading(DOCUMENT, "one")
    shelf.delete("one")
    assert list(sessions_folder().iterdir()) == []
    reading(DOCUMENT, "one")


def test_what_killed_processes_leave_is_swept_away():
    reading(DOCUMENT, "one")
    root = sessions_folder()
    for name in (".two.part", ".one.gone", ".three.gone"):
        (root / name).mkdir()
    with open_session(MODEL, None, name="one"):
        shelf.sweep()
        assert (root / ".one.gone").exists() and not (root / ".two.part").exists()
    shelf.sweep()
    assert sorted(p.name for p in root.iterdir()) == ["one", "one.lock"]


def test_the_list_tells_what_is_there():
    session = reading(DOCUMENT, "one")
    reading(document_from_text(STORY, "short.txt"), "two")
    os.utime(session.folder / "manifest.json", (0, 4e9))
    one, two = shelf.list_sessions()
    assert (one.name, one.documents, one.tokens) == ("one", ("story.txt",), len(session.ids))
    assert one.tokens_read == one.tokens and one.token_bytes == 2 * 2 * 2 * 8 * 2
    assert one.bytes == sum(p.stat().st_size for p in session.folder.iterdir())
    assert (two.name, two.problem) == ("two", "")
    (session.folder / "manifest.json").write_text("{")
    assert (
        "manifest.json cannot be read" in {x.name: x for x in shelf.list_sessions()}["one"].problem
    )
