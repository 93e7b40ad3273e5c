"""Results survive kills and never mix."""

import json

import pytest

from farspan.errors import DamagedFileError, RequestError
from farspan.evaluation.results import Results, ResultsWriter, file_name, read_folder

RUN = {"model": "tiny", "identity": "a", "seed": 0}
KEY = ("niah/single", 4096)


def answer(index, question=0, of=1, score=1.0):
    record = {"kind": "answer", "task": KEY[0], "length": KEY[1], "index": index}
    return {**record, "question": question, "of": of, "score": score}


def test_what_was_written_is_read_and_goes_on(tmp_path):
    with ResultsWriter.open(tmp_path, RUN) as writer:
        writer.write(answer(0))
    with ResultsWriter.open(tmp_path, RUN) as writer:
        assert writer.results.done(KEY) == {0}
        writer.write(answer(1, score=0.0))
    (results,) = read_folder(tmp_path)
    assert results.done(KEY) == {0, 1} and results.model == "tiny"
    assert [record["score"] for record in results.records(KEY)] == [1.0, 0.0]


def test_a_sample_counts_once_all_its_questions_are_answered(tmp_path):
    with ResultsWriter.open(tmp_path, RUN) as writer:
        writer.write(answer(0, 0, of=2))
        assert writer.results.done(KEY) == set()
        writer.write(answer(0, 1, of=2))
        writer.write(answer(0, 0, of=2, score=0.0))  # answered anew after a kill
        assert writer.results.done(KEY) == {0}
        assert len(writer.results.records(KEY)) == 2


@pytest.mark.parametrize("torn", ['{"kind": "answ', "{}x"])
def test_a_line_that_a_kill_cut_off_is_dropped(tmp_path, torn):
    with ResultsWriter.open(tmp_path, RUN) as writer:
        writer.write(answer(0))
    path = tmp_path / file_name("tiny")
    with open(path, "a") as file:
        file.write(torn)
    assert Results.read(path).done(KEY) == {0}
    with ResultsWriter.open(tmp_path, RUN) as writer:
        writer.write(answer(1))
    assert Results.read(path).done(KEY) == {0, 1}


def test_a_file_of_nothing_but_a_torn_line_begins_anew(tmp_path):
    (tmp_path / file_name("tiny")).write_text('{"kind": "run", "for')
    with ResultsWriter.open(tmp_path, RUN) as writer:
        writer.write(answer(0))
    assert Results.read(tmp_path / file_name("tiny")).run == RUN


@pytest.mark.parametrize("change", [{"seed": 1}, {"identity": "b"}, {"haystack": "x"}])
def test_another_run_is_refused_with_what_differs_unless_forced(tmp_path, change):
    with ResultsWriter.open(tmp_path, RUN) as writer:
        writer.write(answer(0))
    with pytest.raises(RequestError, match=next(iter(change))):
        ResultsWriter.open(tmp_path, {**RUN, **change})
    with ResultsWriter.open(tmp_path, {**RUN, **change}, force=True) as writer:
        assert writer.results.done(KEY) == set()


def test_models_have_files_of_their_own_whatever_their_names(tmp_path):
    names = ["http://host/v1#a/b", "http://host/v1#a-b", "../x", "a" * 300, "ü"]
    files = {file_name(name) for name in names}
    assert len(files) == len(names)
    assert all("/" not in name and not name.startswith(".") and len(name) < 100 for name in files)


@pytest.mark.parametrize("text", ["[]\n", "hello\n", '{"kind": "run", "format": 99, "run": {}}\n'])
def test_other_files_are_told_apart(tmp_path, text):
    path = tmp_path / file_name("tiny")
    path.write_text(text)
    with pytest.raises(DamagedFileError):
        ResultsWriter.open(tmp_path, RUN)


def test_a_mark_goes_when_answers_come(tmp_path):
    with ResultsWriter.open(tmp_path, RUN) as writer:
        mark = {"kind": "cell", "task": KEY[0], "length": KEY[1], "status": "failed"}
        writer.write({**mark, "reason": "down"})
        assert writer.results.cells[KEY]["reason"] == "down"
        writer.write(answer(0))
        assert not writer.results.cells
    lines = (tmp_path / file_name("tiny")).read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["run", "cell", "answer"]
