"""`farspan data` as a person calls it."""

import json
import sys

import pytest

from farspan.cli import data, main

from ..data.story import story
from ..tiny import make_tokenizer


@pytest.fixture
def farspan(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(data, "_tokenizer", lambda model: make_tokenizer())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "one.txt").write_text(story(1))
    (tmp_path / "books" / "bad.bin").write_bytes(b"\0")

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["farspan", "data", *words])
        with pytest.raises(SystemExit) as caught:
            main.run()
        said = capsys.readouterr()
        return caught.value.code, said.out, said.err

    return call


def test_a_library_and_a_data_set(farspan, tmp_path):
    code, out, err = farspan("prepare", "books", "-o", "library", "--workers", "1", "--json")
    assert code == 0 and "skipped: books/bad.bin is of a kind that is not read" in err
    prepared = json.loads(out)
    assert prepared["documents"] == 1 and prepared["skipped"] == 1 and prepared["tokens"] > 10_000
    words = ("generate", "library", "-o", "set", "--length", "8k", "--samples", "3")
    options = ("--workers", "1", "--format", "jsonl", "--mix", "needles", "--json")
    code, out, err = farspan(*words, *options)
    assert code == 0, err
    report = json.loads(out)
    assert report["rows"] == 3 and report["levels"] == {"local": 3} and report["tokens"] < 3 * 8192
    assert (tmp_path / "set" / "README.md").is_file()
    code, _, err = farspan(*words, *options)
    assert code == 2 and "--resume goes on" in err
    assert farspan(*words, *options, "--resume")[0] == 0


def test_wrong_requests_are_one_sentence(farspan):
    for words, said in (
        (("generate", "nowhere", "-o", "x"), "there is no file or folder nowhere"),
        (("generate", "books", "-o", "x", "--length", "long"), "length 'long' is not a number"),
        (("generate", "books", "-o", "x", "--mix", "odd"), "there is no mix 'odd'"),
        (("generate", "books", "-o", "books", "--workers", "1"), "holds other files"),
        (("prepare", "books", "-o", "books"), "-o books exists"),
    ):
        code, out, err = farspan(*words)
        assert code == 2 and out == "" and said in err and err.count("\n") == 1, err


def test_interrupted(farspan, monkeypatch):
    from farspan.data.generation import run

    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "generate", stop)
    code, _, err = farspan("generate", "books", "-o", "x")
    assert code == 130 and "--resume goes on" in err


def test_unknown_models_are_told(monkeypatch):
    from farspan.errors import RequestError

    with pytest.raises(RequestError, match="no folder or GGUF file"):
        data._tokenizer("nothing")
