"""Writing the report of a folder of results."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

from farspan.errors import RequestError
from farspan.evaluation.report.figures import Figure, draw_all
from farspan.evaluation.report.page import page
from farspan.evaluation.report.summary import Summary
from farspan.evaluation.report.tables import markdown
from farspan.evaluation.results import read_folder
from farspan.files import write_whole

PAGE, TABLES, FIGURES = "report.html", "report.md", "figures"


def write_report(folder: Path, say: Callable[[str], None]) -> Summary:
    """Writes `report.md`, and with matplotlib `report.html` and its figures, beside the results.

    Raises `RequestError` if the folder holds no results.
    """
    results = read_folder(folder) if folder.is_dir() else []
    if not results:
        raise RequestError(f"{folder} holds no results of farspan eval")
    summary = Summary.of(results)
    write_whole(folder / TABLES, markdown(summary).encode())
    figures: list[Figure] = []
    if importlib.util.find_spec("matplotlib") is None:
        say("the report has no figures: pip install 'farspan[eval]' brings matplotlib")
    else:
        figures = draw_all(summary, folder / FIGURES)
    write_whole(folder / PAGE, page(summary, figures).encode())
    return summary
