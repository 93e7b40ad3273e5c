import hashlib
import json
import signal
import subprocess
import sys
import time

import pytest

from farspan.data.generation.library import Library
from farspan.data.generation.mix import all_families
from farspan.data.generation.run import Request, chat_overhead, generate
from farspan.errors import RequestError
from tests.tiny import make_model

REQUEST = Request(length=4096, samples=10, seed=3, mix="levels", format="jsonl")


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".png"
    }


def rows_of(folder):
    paths = sorted((folder / "data").glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def small_shards(request):
    patch = pytest.MonkeyPatch()
    patch.setattr("farspan.data.generation.shards.MOST_ROWS", 3)
    request.addfinalizer(patch.undo)


@pytest.fixture(scope="module")
def made(library, small_shards, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "set"
    return generate([library.folder], folder, REQUEST, lambda: None)


def test_rows_are_whole(made, library, count):
    rows = rows_of(made.folder)
    assert len(rows) == 10 and made.shards == 4
    families = all_families()
    for row in rows:
        family = families[row["family"]]
        user, assistant = row["messages"]
        question = row["questions"][0]
        document, asked = user["content"][: question["start"]], user["content"][question["start"] :]
        lead, _, document = document.removesuffix("\n\n").partition("\n\n")
        assert family.right(family.solve(document, asked), question["answer"])
        assert assistant["content"] == row["answer"] == ", ".join(question["answer"])
        assert row["tokens"] == count(user["content"]) + count(row["answer"]) <= REQUEST.length
        assert row["evidence"] and lead
        for part in row["documents"]:
            assert 0 <= part["start"] < part["end"] <= len(user["content"])
            assert part["source"] and part["licence"] == "unknown"
    assert len({row["id"] for row in rows}) == 10


def test_needle_evidence_is_the_statement(library, tmp_path):
    request = Request(2048, 12, mix="needles", format="jsonl")
    generate([library.folder], tmp_path / "x", request, lambda: None)
    for row in rows_of(tmp_path / "x"):
        content = row["messages"][0]["content"]
        shown = [content[e["start"] : e["end"]] for e in row["evidence"]]
        answers = row["questions"][0]["answer"]
        assert all(any(answer in text for text in shown) for answer in answers)
        assert all(text[0].isupper() and text[-1] in ".?!" for text in shown)


def test_workers_do_not_change_a_byte(made, library, small_shards, tmp_path):
    script = f"""
import farspan.data.generation.shards as shards
shards.MOST_ROWS = 3
from farspan.data.generation.run import Request, generate
if __name__ == "__main__":
    request = Request(4096, 10, 3, "levels", format="jsonl")
    generate([{str(library.folder)!r}], {str(tmp_path / "two")!r}, request, None, workers=2)
"""
    path = tmp_path / "call.py"
    path.write_text(script)
    subprocess.run([sys.executable, path], check=True)
    assert digests(tmp_path / "two") == digests(made.folder)


def test_other_seeds_make_other_rows(made, library, small_shards, tmp_path):
    request = Request(4096, 3, seed=4, format="jsonl")
    generate([library.folder], tmp_path / "x", request, lambda: None)
    ours = {row["messages"][0]["content"] for row in rows_of(tmp_path / "x")}
    assert not ours & {row["messages"][0]["content"] for row in rows_of(made.folder)}


def test_a_broken_run_goes_on(made, library, small_shards, tmp_path):
    folder = tmp_path / "set"
    generate([library.folder], folder, REQUEST, lambda: None)
    (folder / "data" / "train-00001-of-00004.jsonl").unlink()
    (folder / ".notes" / "00003.json").unlink()
    (folder / "data" / ".train-00003-of-00004.jsonl.1.part").write_text("half a shard")
    (folder / "README.md").unlink()
    with pytest.raises(RequestError, match="--resume goes on"):
        generate([library.folder], folder, REQUEST, lambda: None)
    generate([library.folder], folder, REQUEST, lambda: None, resume=True)
    assert digests(folder) == digests(made.folder)


def test_what_was_left_while_preparing_is_no_hindrance(library, made, small_shards, tmp_path):
    (tmp_path / "set" / "..library.12.part").mkdir(parents=True)
    generate([library.folder], tmp_path / "set", REQUEST, lambda: None)
    assert digests(tmp_path / "set") == digests(made.folder)


def test_a_killed_run_goes_on(sources, made, tokenizer, small_shards, tmp_path):
    tokenizer.save(tmp_path / "tokenizer")
    folder = tmp_path / "set"
    script = f"""
import sys
import farspan.data.generation.shards as shards
shards.MOST_ROWS = 1
from farspan.data.generation.run import Request, generate
from farspan.models.tokenizer import Tokenizer
request = Request(4096, 40, 3, "levels", format="jsonl")
generate([{str(sources)!r}], {str(folder)!r}, request,
         lambda: Tokenizer.load({str(tmp_path / "tokenizer")!r}), resume="go on" in sys.argv)
"""
    path = tmp_path / "call.py"
    path.write_text(script)
    process = subprocess.Popen([sys.executable, path])
    for _ in range(600):
        time.sleep(0.05)
        if len(list(folder.glob("data/*.jsonl"))) >= 3:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(list(folder.glob("data/*.jsonl")))
    assert 3 <= done < 40
    for line in (x for p in folder.glob("data/*.jsonl") for x in p.read_text().splitlines()):
        json.loads(line)
    subprocess.run([sys.executable, path, "go on"], check=True)
    assert [x["id"] for x in rows_of(folder)] == [f"train-3-{i}" for i in range(40)]
    assert not list(folder.rglob("*.part")) and not (folder / ".library").exists()


def test_parquet_loads_with_datasets(made, library, small_shards, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    request = Request(4096, 10, 3, "levels")
    folder = tmp_path / "set"
    generate([library.folder], folder, request, lambda: None)
    found = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]
    assert [dict(row) for row in found] == rows_of(made.folder)
    as_lines = datasets.load_dataset(str(made.folder), cache_dir=str(tmp_path / "cache"))["train"]
    assert as_lines["answer"] == found["answer"]


def test_the_card_tells_what_is_in_it(made):
    card = (made.folder / "README.md").read_text()
    assert "10 rows" in card and "| unknown |" in card and "levels" in card
    for row in rows_of(made.folder):
        assert f"| {row['family']} | {row['level']} |" in card


def test_wrong_requests(library, small_shards, tmp_path):
    for values, said in (
        ({"length": 100}, "give 1024 or more"),
        ({"samples": 0}, "give at least 1"),
        ({"seed": -1}, "give 0 or more"),
        ({"split": "dev"}, "use one of train, test"),
        ({"format": "csv"}, "use one of parquet, jsonl"),
    ):
        with pytest.raises(RequestError, match=said):
            Request(**{"length": 4096, "samples": 3, **values})
    with pytest.raises(RequestError, match="there is no mix"):
        generate([library.folder], tmp_path / "x", Request(4096, 1, mix="nothing"), lambda: None)
    (tmp_path / "mix.json").write_text('{"needle/*": 1, "nothing/*": 2}')
    request = Request(4096, 1, mix=str(tmp_path / "mix.json"))
    with pytest.raises(RequestError, match="no family 'nothing/\\*'"):
        generate([library.folder], tmp_path / "y", request, lambda: None)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other.txt").write_text("something")
    with pytest.raises(RequestError, match="holds other files"):
        generate([library.folder], tmp_path / "full", REQUEST, lambda: None)
    generate([library.folder], tmp_path / "z", REQUEST, lambda: None)
    other = Request(4096, 11, 3, "levels", format="jsonl")
    with pytest.raises(RequestError, match="begun with samples 10"):
        generate([library.folder], tmp_path / "z", other, lambda: None, resume=True)
    generate([library.folder], tmp_path / "z", other, lambda: None, force=True)
    assert len(rows_of(tmp_path / "z")) == 11


def test_what_the_documents_lack_is_told(tokenizer, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(
        "One sentence stands here. Another one follows it. " * 99
    )
    (tmp_path / "in" / "bad.txt").write_bytes(b"\0\1\2")
    said = []
    request = Request(2048, 3, mix="local", format="jsonl")
    made = generate([tmp_path / "in"], tmp_path / "x", request, lambda: tokenizer, say=said.append)
    assert any("code/signature is left out: the documents hold no code" in line for line in said)
    assert any("bad.txt is a binary file" in line for line in said) and made.skipped == 1
    (tmp_path / "mix.json").write_text('{"code/*": 1}')
    request = Request(2048, 3, mix=str(tmp_path / "mix.json"), format="jsonl")
    with pytest.raises(RequestError, match="no family of this mix"):
        generate([tmp_path / "in"], tmp_path / "y", request, lambda: tokenizer)


def test_nothing_left_to_read(tokenizer, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.txt").write_bytes(b"\0\1\2")
    with pytest.raises(RequestError, match=r"nothing is left to read .*is a binary file"):
        generate([tmp_path / "in"], tmp_path / "x", REQUEST, lambda: tokenizer)


def test_chat_overhead_is_what_the_format_adds(tokenizer):
    assert chat_overhead(tokenizer) == 0
    assert Library is not None
    model = make_model()
    assert chat_overhead(model.tokenizer) >= 0
