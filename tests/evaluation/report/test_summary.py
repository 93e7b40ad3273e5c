"""Numbers of the report."""

import pytest

from farspan.evaluation.report.summary import Summary
from farspan.evaluation.statistics import wilson

from .runs import write_runs


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    return Summary.of(write_runs(tmp_path_factory.mktemp("runs")))


def test_models_come_before_their_baselines(summary):
    assert summary.models == ["good", "good+full"]
    assert summary.suites == ["niah", "ruler"] and summary.lengths == [8192, 32768]


def test_a_cell_has_mean_interval_time_and_memory(summary):
    cell = summary.cell("good", "niah/single", 32768)
    assert (cell.mean, cell.samples, cell.status) == (0.5, 4, "done")
    assert (cell.low, cell.high) == wilson(2, 4)
    assert cell.read_seconds == pytest.approx(4 * 32.768)
    assert cell.read_tokens_per_second == pytest.approx(1000)
    assert cell.seconds == pytest.approx(4 * 33.768) and cell.peak_bytes == 1 << 30


def test_a_suite_weighs_its_tasks_the_same(summary):
    cell = summary.suite_cell("good", "ruler", 8192)
    assert cell.mean == pytest.approx(0.8) and cell.low <= 0.8 <= cell.high
    assert summary.suite_cell("good+full", "ruler", 32768).status == "skipped"


def test_the_effective_length_is_that_of_rulers_bar(summary):
    assert summary.effective("good", "niah") == 8192
    assert summary.effective("good+full", "niah") is None


def test_tasks_that_nobody_answered_are_left_out(summary):
    assert "ruler/qa_1" in summary.tasks("ruler")
    assert summary.measured("ruler") == ["ruler/vt", "ruler/cwe"]


def test_costs_are_by_model_and_length_and_json_is_plain(summary):
    costs = summary.costs()
    assert [(x.model, x.length) for x in costs][:2] == [("good", 8192), ("good", 32768)]
    assert costs[0].samples == 3 * 4 + 2
    cells = summary.to_json()["cells"]
    assert {"model", "task", "length", "mean", "low", "high", "status"} <= set(cells[0])
