"""`farspan sessions` as a person calls it."""

from __future__ import annotations

import io
import json
import sys

import pytest

from farspan.cli import main
from farspan.data.reader import document_from_text
from farspan.engine.session import open_session
from tests.tiny import STORY, make_model

MODEL = make_model()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARSPAN_DEBUG", "")
    monkeypatch.chdir(tmp_path)
    with open_session(MODEL, document_from_text(STORY * 4, "story.txt"), name="one") as session:
        session.read(chunk=64)
    return tmp_path


@pytest.fixture
def sessions(monkeypatch, capsys):
    def call(*words, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["farspan", "sessions", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as caught:
            main.run()
        said = capsys.readouterr()
        return caught.value.code, said.out, said.err

    return call


def report(sessions, *words):
    code, out, err = sessions(*words, "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    return json.loads(out)


def test_every_command_prints_for_people_and_for_programs(sessions, place):
    tokens = report(sessions, "show", "one")["tokens"]
    assert report(sessions, "list")["sessions"][0]["name"] == "one"
    assert "one" in sessions("list")[1] and "story.txt" in sessions("list")[1]
    shown = sessions("show", "one")[1]
    assert f"{tokens} tokens, 128 bytes a token in the stores" in shown
    assert f"goes back at once to token 576, {tokens}" in shown
    told = report(sessions, "fork", "one", "two", "--at", "600")
    assert (told["tokens"], told["tokens_read"]) == (600, 576)
    assert report(sessions, "rewind", "two", "--to", "590")["tokens_read"] == 576
    assert report(sessions, "export", "one")["bytes"] == (place / "one.farspan.tar").stat().st_size
    assert report(sessions, "import", "one.farspan.tar", "--name", "copy")["tokens"] == tokens
    assert sessions("verify")[1] == "copy: all is well\none: all is well\ntwo: all is well\n"
    assert report(sessions, "verify", "one")["sessions"][0]["problems"] == []
    assert report(sessions, "delete", "copy", "two")["bytes"] > 1000
    assert "freed" in sessions("delete", "one")[1]
    assert sessions("list")[1] == "no sessions are kept\n"


def test_sessions_go_through_pipes(sessions, monkeypatch):
    pipe = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(pipe, write_through=True))
        assert sessions("export", "one", "-o", "-")[0] == 0
        data = pipe.getvalue()
    code, out, _ = sessions("import", "-", "--name", "copy", stdin=data)
    assert code == 0 and out.startswith("copy: story.txt")


def test_a_budget_deletes(sessions):
    code, out, err = sessions("list", "--budget", "1k")
    assert (code, out) == (0, "no sessions are kept\n")
    assert "session one, last used on" in err


def test_damage_is_told_with_exit_code_1(sessions, place):
    path = place / "cache" / "sessions" / "one" / "layer-01.keys.0"
    path.write_bytes(b"!" + path.read_bytes()[1:])
    code, out, _ = sessions("verify", "one")
    assert code == 1 and "one: layer-01 is not what was written from token 0 on" in out
    code, out, _ = sessions("verify", "one", "--repair")
    assert code == 0 and "what follows token 0 is read again" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "none"], "there is no session 'none'; there are one"),
        (["fork", "one", "one"], "there is a session one already"),
        (["fork", "one", "two", "--at", "1m"], "token 1,048,576 is not in the session"),
        (["rewind", "one", "--to", "soon"], "length 'soon' is not a number"),
        (["import", "none.tar"], "none.tar cannot be read"),
        (["import", "-"], "needs a --name"),
        (["import", "."], "cannot be read"),
        (["export", "one", "-o", "no/where.tar"], "no is no folder"),
        (["delete", "one", "none"], "there is no session 'none'"),
        (["list", "--budget", "much"], "disk budget: size 'much'"),
    ],
)
def test_wrong_requests_get_a_sentence_and_exit_code_2(sessions, words, message):
    code, out, err = sessions(*words)
    assert (code, out) == (2, "") and message in err
    assert "one" in sessions("list")[1]


def test_a_file_that_exists_is_not_replaced(sessions, place):
    (place / "one.farspan.tar").write_text("mine")
    assert sessions("export", "one")[0] == 2
    assert (place / "one.farspan.tar").read_text() == "mine"
    assert sessions("export", "one", "--force")[0] == 0
