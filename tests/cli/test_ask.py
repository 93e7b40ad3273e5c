"""`farspan ask` as a person calls it: what comes out where, and what goes wrong how."""

import errno
import io
import json
import os
import subprocess
import sys

import pytest

from farspan.cli import main
from farspan.engine import reading
from farspan.models import load
from tests.models.test_gguf import write
from tests.tiny import PLAN, STORY, make_model

MODEL = make_model()
REAL_LOAD = load.load_model


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with documents, a cache of its own, and a tiny default model."""
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FARSPAN_DEBUG", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(reading, "CPU_CHUNK", 64)
    monkeypatch.setattr(load, "load_model", lambda *args, **options: MODEL)
    (tmp_path / "story.txt").write_text(STORY * 4)
    (tmp_path / "other.md").write_text("# Other\n\nNothing to see.\n")
    return tmp_path


@pytest.fixture
def farspan(monkeypatch, capsys):
    def call(*words, stdin=b""):
        monkeypatch.setattr(sys, "argv", ["farspan", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as caught:
            main.run()
        said = capsys.readouterr()
        return caught.value.code, said.out, said.err

    return call


def ask(farspan, *words, **options):
    return farspan("ask", *words, "--max-tokens", "8", **options)


def report(farspan, *words, **options):
    code, out, _ = ask(farspan, *words, "--json", **options)
    assert code == 0 and out.count("\n") == 1
    return json.loads(out)


FIELDS = {
    "answer", "citations", "tokens_read", "tokens_total", "answer_tokens", "seconds",
    "tokens_per_second", "first_token_seconds", "peak_memory_bytes", "model", "plan", "position",
    "dtype", "device", "session", "recall",
}  # fmt: skip


def test_json_and_text_agree_and_the_second_question_reads_nothing(farspan, place):
    first = report(farspan, "story.txt", "What fell?")
    assert set(first) == FIELDS and first["tokens_read"] == first["tokens_total"] > 100
    assert first["plan"] == PLAN and first["peak_memory_bytes"] > 1e7
    assert 0 < first["first_token_seconds"] < first["seconds"]
    for cited in first["citations"]:
        assert set(cited) == {"file", "start", "end", "line", "text", "score", "percent"}
        assert cited["text"] == (STORY * 4)[cited["start"] : cited["end"]]
    second = report(farspan, "story.txt", "What fell?")
    assert second["tokens_read"] == 0 and second["answer"] == first["answer"]
    code, out, err = ask(farspan, "story.txt", "What fell?")
    assert code == 0 and err == "" and out.startswith(first["answer"] + "\n")
    for cited in first["citations"]:
        assert f"story.txt, line {cited['line']}, characters {cited['start']}–" in out


def test_standard_input_many_files_and_named_sessions(farspan):
    piped = report(farspan, "-", "What fell?", stdin=STORY.encode())
    assert all(cited["file"] == "-" for cited in piped["citations"])
    both = report(farspan, "story.txt", "other.md", "What fell?", "--session", "both")
    assert both["session"] == "both" and both["tokens_read"] > 0
    again = report(farspan, "--session", "both", "What fell?")
    assert again["tokens_read"] == 0 and again["answer"] == both["answer"]
    anew = report(farspan, "story.txt", "What fell?", "--session", "both", "--force")
    assert 0 < anew["tokens_read"] < both["tokens_read"]


BAD = {
    "no question": (["story.txt"], "there is no question: story.txt is a document"),
    "two documents": (["story.txt", "other.md"], "there is no question: other.md"),
    "no words": ([], "there is no question; put it in quotes"),
    "blank question": (["story.txt", "  "], "there is no question; put it in quotes"),
    "no document": (["What fell?"], "there is no document; name a text file"),
    "missing": (["missing.txt", "What fell?"], "there is no file missing.txt"),
    "folder": (["hollow", "What fell?"], "nothing is left to read (hollow is an empty folder)"),
    "empty": (["empty.txt", "What fell?"], "empty.txt holds no text"),
    "binary": (["binary.txt", "What fell?"], "binary.txt is a binary file"),
    "latin": (["latin.txt", "What fell?"], "latin.txt is not UTF-8 text"),
    "pdf": (["paper.pdf", "What fell?"], "paper.pdf is a PDF that cannot be read"),
    "empty stdin": (["-", "What fell?"], "standard input holds no text"),
    "unknown session": (["--session", "x", "Why?"], "there is no session 'x'"),
    "bad session": (["story.txt", "Why?", "--session", "a/b"], "session name 'a/b'"),
    "bad top-p": (["story.txt", "Why?", "--top-p", "3"], "top-p is 3.0"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_wrong_request_is_one_sentence(farspan, place, kind):
    (place / "hollow").mkdir()
    (place / "empty.txt").write_bytes(b"")
    (place / "binary.txt").write_bytes(b"a\0b")
    (place / "latin.txt").write_bytes(b"caf\xe9")
    (place / "paper.pdf").write_bytes(b"%PDF")
    words, message = BAD[kind]
    code, out, err = ask(farspan, *words)
    assert code == 2 and out == "" and message in err
    assert err.startswith("farspan: ") and err.count("\n") == 1 and "Traceback" not in err
    assert not list(place.glob("cache/sessions/*/"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "tpu"], "device 'tpu' is not available"),
        (["--dtype", "int3"], "dtype 'int3' is unknown"),
        (["--plan", "full*"], "layer plan 'full*'"),
        (["--model", "no/such/model.gguf"], "no/such/model.gguf"),
    ],
)
def test_unknown_device_dtype_plan_model(farspan, monkeypatch, words, message):
    monkeypatch.setattr(load, "load_model", REAL_LOAD)
    write("tiny.gguf")
    model = [] if "--model" in words else ["--model", "tiny.gguf"]
    code, out, err = ask(farspan, "story.txt", "Why?", *model, *words)
    assert (code, out) == (2, "") and message in err and "Traceback" not in err


def test_ctrl_c_keeps_what_was_read(farspan, monkeypatch):
    whole = report(farspan, "story.txt", "What fell?", "--session", "whole")
    real, seen = reading._read_chunk, []

    def interrupted(*args):
        seen.append(args)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(reading, "_read_chunk", interrupted)
        code, out, err = ask(farspan, "story.txt", "What fell?")
    assert (code, out) == (130, "") and err.count("\n") == 1
    assert f"interrupted; 128 of {whole['tokens_read']:,} tokens are read and kept" in err
    rest = report(farspan, "story.txt", "What fell?")
    assert rest["tokens_read"] == whole["tokens_read"] - 128
    assert (rest["answer"], rest["citations"]) == (whole["answer"], whole["citations"])


def test_a_full_disk_is_one_sentence_and_loses_nothing(farspan, monkeypatch):
    whole = report(farspan, "story.txt", "What fell?", "--session", "whole")
    real, calls = os.pwrite, []

    def pwrite(*args):
        calls.append(args)
        if len(calls) > 11:  # the lock, two layers of four files, and the next begins
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        code, out, err = ask(farspan, "story.txt", "What fell?")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "no room left on the disk" in err and "Traceback" not in err
    rest = report(farspan, "story.txt", "What fell?")
    assert rest["answer"] == whole["answer"] and rest["tokens_read"] == whole["tokens_read"] - 64


def test_a_damaged_session_is_told_and_repaired_by_force(farspan, place):
    first = report(farspan, "story.txt", "Why?", "--session", "mine")
    (place / "cache" / "sessions" / "mine" / "manifest.json").write_text("{")
    for words in (["story.txt", "Why?"], ["Why?"]):
        code, out, err = ask(farspan, *words, "--session", "mine")
        assert (code, out) == (2, "") and err.count("\n") == 1
        assert "is damaged" in err and "--force, or delete the folder" in err
    repaired = report(farspan, "story.txt", "Why?", "--session", "mine", "--force")
    assert repaired["answer"] == first["answer"]


def test_unexpected_errors_are_short_unless_debugged(farspan, monkeypatch):
    def broken(*args, **options):
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr(load, "load_model", broken)
    code, out, err = ask(farspan, "story.txt", "Why?")
    assert (code, out) == (1, "")
    assert (
        err == "farspan: failed: ZeroDivisionError: nobody thought of this (--debug shows where)\n"
    )
    code, _, err = farspan("--debug", "ask", "story.txt", "Why?")
    assert code == 1 and "Traceback" in err and "in broken" in err


def test_help_comes_without_torch():
    program = (
        "import sys; sys.argv = ['farspan', *sys.argv[1:]]\n"
        "from farspan.cli import main\n"
        "try: main.run()\n"
        "finally: print('torch' in sys.modules, 'rich' in sys.modules)\n"
    )
    for words, expected in ((["--help"], "ask"), (["ask", "--help"], "war-and-peace.txt")):
        done = subprocess.run(
            [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
        )
        assert expected in done.stdout and done.stdout.endswith("False False\n")
        assert "Example: farspan ask" in done.stdout


def test_version_and_unknown_commands(farspan):
    assert farspan("--version")[:2] == (0, "farspan 0.1.0\n")
    code, out, err = farspan("aks", "story.txt")
    assert (code, out) == (2, "") and "aks" in err and "Traceback" not in err
    code, out, err = farspan("ask", "story.txt", "Why?", "--max-tokens", "0")
    assert (code, out) == (2, "") and "--max-tokens" in err


def test_a_session_keeps_its_store_and_grows_with_its_file(farspan, place):
    first = report(farspan, "story.txt", "What fell?", "--session", "s", "--store", "int8")
    assert report(farspan, "What fell?", "--session", "s")["answer"] == first["answer"]
    code, _, err = ask(farspan, "What fell?", "--session", "s", "--store", "int4")
    assert code == 2 and "session s is kept in int8, not in int4" in err
    (place / "story.txt").write_text(STORY * 4 + "The end.")
    code, _, err = ask(farspan, "story.txt", "What fell?", "--session", "s")
    assert code == 0 and "story.txt has grown since session s read it" in err
    code, _, err = ask(farspan, "other.md", "What fell?", "--budget", "1k")
    assert code == 2 and "over the budget of 1 kB" in err
