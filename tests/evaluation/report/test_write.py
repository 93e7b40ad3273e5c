"""The files of a report."""

import re

import pytest

from farspan.errors import RequestError
from farspan.evaluation.report import write
from farspan.evaluation.report.write import write_report

from .runs import write_runs

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs")
    write_runs(path)
    write_report(path, lambda _: None)
    return path


def test_markdown_has_scores_intervals_costs_and_what_is_missing(folder):
    text = (folder / "report.md").read_text()
    assert "| good | single | 100 (51–100), n=4 | 50 (15–85), n=4 | 8k |" in text
    assert "| good | **all** | 80 " in text
    assert "| good+full | single | 0 (0–49), n=4 | skipped | none |" in text
    assert "| good | 8k | 14 | 129 s | 1,000 | 1.00 GiB |" in text
    assert "- good+full at 32k (niah/single, ruler/vt): skipped, beyond 8k" in text
    assert "needs a file with --squad" in text and "qa_1 |" not in text
    assert "| good | haystack | 15.64, n=2 | 15.64, n=2 |" in text  # exp(2.75)


def test_the_page_needs_nothing_else_and_escapes_what_it_shows(folder):
    page = (folder / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(list((folder / "figures").glob("*.png")))
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "a &lt;processor&gt;" in page and "a <processor>" not in page
    assert page.count("<table>") == page.count("</table>") == 4


def test_figures_are_those_that_the_results_allow(folder):
    names = {path.stem for path in (folder / "figures").iterdir()}
    assert names == {
        "depth-niah-single",
        "length-niah",
        "length-ruler",
        "tasks-ruler",
        "perplexity",
        "cost",
    }
    from PIL import Image

    for path in (folder / "figures").iterdir():
        image = Image.open(path)
        assert min(image.size) > 150
        assert len(image.convert("RGB").getcolors(1 << 24)) > 20  # something is drawn


def test_without_matplotlib_the_tables_are_written_all_the_same(tmp_path, monkeypatch):
    write_runs(tmp_path)
    monkeypatch.setattr(write.importlib.util, "find_spec", lambda name: None)
    said = []
    write_report(tmp_path, said.append)
    assert "farspan[eval]" in said[0]
    assert "<img" not in (tmp_path / "report.html").read_text()


def test_a_folder_without_results_is_told(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RequestError, match="holds no results"):
            write_report(path, lambda _: None)
