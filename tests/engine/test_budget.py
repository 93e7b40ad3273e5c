"""The disk budget: whole sessions go, those used longest ago first, never one in use."""

from __future__ import annotations

import os

import pytest

from farspan.data.reader import document_from_text
from farspan.engine import budget, session_folder, shelf
from farspan.engine.names import sessions_folder
from farspan.engine.session import open_session
from farspan.errors import RequestError
from tests.engine.held import read_all
from tests.tiny import STORY, make_model

MODEL = make_model()


@pytest.fixture(autouse=True)
def spare(cache, monkeypatch):
    monkeypatch.setattr(session_folder, "SPARE_BYTES", 0)


def read(name, seed, **options):
    document = document_from_text(f"Number {seed}. {STORY}" * 3, f"{name}.txt")
    with open_session(MODEL, document, name=name, **options) as session:
        read_all(session)
    os.utime(session.folder / "manifest.json", (seed, seed))
    return session


def names():
    return [x.name for x in shelf.list_sessions()]


def test_the_ones_used_longest_ago_make_room():
    for seed, name in enumerate(("old", "older", "new")):
        read(name, [2, 1, 3][seed])
    one = sum(path.stat().st_size for path in (sessions_folder() / "old").iterdir())
    said = []
    read("next", 4, budget=int(3.5 * one), say=said.append)
    assert names() == ["next", "new", "old"] and budget.total_bytes() <= 3.5 * one
    assert said == ["session older, last used on 1970-01-01, was deleted to stay within the budget"]
    with open_session(MODEL, None, name="old"):
        read("last", 5, budget=int(2.5 * one))
        assert set(names()) == {"last", "old"}
        with pytest.raises(RequestError, match=r"which is over the budget of .* raise it with"):
            read("none", 6, budget=one)


def test_shared_files_count_once():
    session = read("one", 1)
    before = budget.total_bytes()
    shelf.fork("one", "two")
    assert budget.total_bytes() - before < before / 4
    budget.make_room(0, int(1.4 * before), session.folder, print)
    assert names()[0] and len(names()) == 2


def test_the_budget_is_read_from_option_and_environment(monkeypatch):
    assert budget.disk_budget(None) is None and budget.disk_budget("1.5GB") == 1_500_000_000
    monkeypatch.setenv("FARSPAN_DISK_BUDGET", "20 MB")
    assert budget.disk_budget(None) == 20_000_000 and budget.disk_budget("7") == 7
    with pytest.raises(RequestError, match="disk budget: size 'much' is not a number of bytes"):
        budget.disk_budget("much")
