"""The runner answers what is missing, and only that."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from farspan.evaluation.models.base import CellFailedError, Model, Reply
from farspan.evaluation.models.builtin import Oracle, Silent
from farspan.evaluation.producer import Producer, Source
from farspan.evaluation.results import ResultsWriter, read_folder
from farspan.evaluation.runner import Grid, Runner
from farspan.evaluation.suites import Files, find_tasks

SUITES = ("passkey", "niah")
LENGTHS = (2048, 1024)


class Counting(Oracle):
    """Knows everything and counts what it was asked."""

    name = "counting"

    def __init__(self, tokenizer):
        super().__init__(tokenizer)
        self.asked = []

    def batch_size(self, length):
        return 3

    def answer(self, samples, max_tokens):
        self.asked.append(len(samples))
        return super().answer(samples, max_tokens)


def run(model, folder, tokenizer, book, *, samples=4, lengths=LENGTHS, workers=0, **options):
    grid = Grid(find_tasks(SUITES, Files()), lengths, samples)
    source = Source(SUITES, Files(), "book", 0, model.overhead, model.needs_text)
    with (
        ResultsWriter.open(folder, {"model": model.name, "seed": 0}) as writer,
        Producer(source, tokenizer, workers, book) as producer,
    ):
        return Runner(model, grid, writer, producer, **options).run()


def test_every_cell_is_answered_in_batches_and_shown(tmp_path, tokenizer, book):
    model, shown = Counting(tokenizer), []
    assert run(model, tmp_path, tokenizer, book, report=shown.append)
    assert model.asked == [3, 1] * 4
    (results,) = read_folder(tmp_path)
    assert set(results.answers) == {
        (f"{s}", n) for s in ("passkey/passkey", "niah/single") for n in LENGTHS
    }
    assert [x.done for x in shown] == [3, 4, 7, 8, 11, 12, 15, 16]
    assert shown[0].length == 1024 and shown[-1].seconds_left == 0


def test_only_what_is_missing_is_asked(tmp_path, tokenizer, book):
    run(Counting(tokenizer), tmp_path, tokenizer, book, samples=2)
    model = Counting(tokenizer)
    run(model, tmp_path, tokenizer, book, samples=4, lengths=(1024, 2048, 4096))
    assert sum(model.asked) == 2 * 4 + 4 * 2
    again = Counting(tokenizer)
    run(again, tmp_path, tokenizer, book, samples=4, lengths=(1024, 2048, 4096))
    assert again.asked == []


def test_time_that_is_up_leaves_the_rest(tmp_path, tokenizer, book):
    class Slow(Counting):
        def answer(self, samples, max_tokens):
            time.sleep(0.05)
            return super().answer(samples, max_tokens)

    model = Slow(tokenizer)
    until = time.monotonic() + 0.12
    assert not run(model, tmp_path, tokenizer, book, samples=40, until=until)
    first = sum(model.asked)
    rest = Counting(tokenizer)
    assert run(rest, tmp_path, tokenizer, book, samples=40)
    assert 0 < first < 160 and first + sum(rest.asked) == 160


def test_a_cell_that_fails_is_marked_and_the_run_goes_on(tmp_path, tokenizer, book):
    class Broken(Counting):
        def answer(self, samples, max_tokens):
            if max_tokens == 16:  # passkey
                raise CellFailedError("it is down")
            return super().answer(samples, max_tokens)

    assert run(Broken(tokenizer), tmp_path, tokenizer, book)
    (results,) = read_folder(tmp_path)
    assert {key[0] for key in results.cells} == {"passkey/passkey"}
    assert all(
        x["status"] == "failed" and x["reason"] == "it is down" for x in results.cells.values()
    )
    assert {key[0] for key in results.answers} == {"niah/single"}
    repaired = Counting(tokenizer)
    run(repaired, tmp_path, tokenizer, book)
    assert sum(repaired.asked) == 8
    (results,) = read_folder(tmp_path)
    assert not results.cells


def test_lengths_beyond_a_model_or_a_task_are_marked_and_not_asked(tmp_path, tokenizer, book):
    class Short(Counting):
        def why_not(self, length):
            return "beyond what it was trained for" if length > 1024 else ""

    model = Short(tokenizer)
    assert run(model, tmp_path, tokenizer, book, lengths=(100, 1024, 2048))
    (results,) = read_folder(tmp_path)
    assert {key[1]: x["status"] for key, x in results.cells.items()} == {
        100: "skipped",
        2048: "skipped",
    }
    assert "beyond" in results.cells["niah/single", 2048]["reason"]
    assert "do not hold" in results.cells["niah/single", 100]["reason"]


def test_worker_processes_make_the_same_samples(tmp_path, tokenizer, book):
    class Noting(Model):
        name, identity, about = "noting", "", {}

        def __init__(self):
            self.tokenizer, self.seen = tokenizer, []

        def answer(self, samples, max_tokens):
            self.seen += [sample.body.ids.tobytes() for sample in samples]
            return [[Reply("")] for _ in samples]

    here, there = Noting(), Noting()
    run(here, tmp_path / "a", tokenizer, book, samples=2)
    run(there, tmp_path / "b", tokenizer, book, samples=2, workers=1)
    assert here.seen == there.seen and len(here.seen) == 8


def test_silence_scores_nothing_and_the_oracle_everything(tmp_path, tokenizer, book):
    for model in (Silent(tokenizer), Oracle(tokenizer)):
        run(model, tmp_path, tokenizer, book)
    scores = {
        results.model: {r["score"] for key in results.answers for r in results.records(key)}
        for results in read_folder(tmp_path)
    }
    assert scores == {"silent": {0.0}, "oracle": {1.0}}


SLOW_RUN = """
import sys, time
from pathlib import Path
from tests.evaluation.conftest import train_tokenizer
from tests.evaluation.test_runner import Counting, run
from farspan.evaluation.haystack import load_haystack

class Slow(Counting):
    def batch_size(self, length):
        return 1
    def answer(self, samples, max_tokens):
        time.sleep(0.03)
        return super().answer(samples, max_tokens)

tokenizer = train_tokenizer(800)
model = Slow(tokenizer)
run(model, Path(sys.argv[1]), tokenizer, load_haystack("book", tokenizer), samples=8)
print(sum(model.asked))
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_killed_run_goes_on_where_it_was(tmp_path):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", SLOW_RUN, str(tmp_path)]
    path = f"{root / 'src'}{os.pathsep}{root}"
    options = {"cwd": root, "env": {**os.environ, "PYTHONPATH": path}, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, **options)
    while not (files := list(tmp_path.glob("*.jsonl"))) or files[0].read_text().count("\n") < 8:
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    (before,) = read_folder(tmp_path)
    done = sum(len(records) for records in before.answers.values())
    assert 7 <= done < 32
    second = subprocess.run(command, check=True, **options)
    assert int(second.stdout) == 32 - done
    (after,) = read_folder(tmp_path)
    assert sum(len(records) for records in after.answers.values()) == 32
