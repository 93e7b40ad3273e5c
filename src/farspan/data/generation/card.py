"""The data card: a README that Hugging Face `datasets` reads too, with counts and figures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from farspan import __version__
from farspan.data.generation.draft import LEVELS
from farspan.data.generation.mix import all_kinds
from farspan.data.generation.shards import DATA, DEPTH_BINS, Notes
from farspan.files import write_whole
from farspan.units import show_length

if TYPE_CHECKING:
    from farspan.data.generation.run import Made, Request

FIGURES = "figures"
MOST_SOURCES = 200


def write_card(made: Made, request: Request) -> Path:
    """Writes README.md and, where matplotlib is installed, its figures. Returns the README."""
    figures = _draw(made.notes, made.folder / FIGURES)
    parts = [
        _front(request),
        _head(made, request),
        _families(made.notes),
        _figures(figures),
        _rows(),
        _thrown(made),
        _sources(made.notes),
    ]
    path = made.folder / "README.md"
    write_whole(path, "\n".join(part for part in parts if part).encode())
    return path


def _front(request: Request) -> str:
    return f"""---
configs:
- config_name: default
  data_files:
  - split: {request.split}
    path: {DATA}/{request.split}-*.{request.format}
language: en
tags: [long-context, synthetic]
---
"""


def _head(made: Made, request: Request) -> str:
    notes = made.notes
    total = sum(notes.tokens.values())
    return f"""# Long-context tasks of {show_length(request.length)} tokens

{sum(notes.rows.values()):,} rows, {sum(notes.questions.values()):,} questions, {total:,} tokens,
made by farspan {__version__} from {len(made.library.entries):,} documents
({made.skipped:,} files were skipped). Seed {request.seed}, mix `{request.mix}`, wordings of the
split `{request.split}`. Every answer is exact by construction and was found again by a second
program from the text alone; where guessing should never be right, what a blind guess answered was
drawn again.
"""


def _families(notes: Notes) -> str:
    families = all_kinds()
    lines = ["## Families", "", "| family | level | rows | tokens | chance | source |"]
    lines.append("|---|---|---|---|---|---|")
    for name in sorted(notes.rows, key=lambda x: (_level(x), x)):
        family = families[name]
        lines.append(
            f"| {name} | {family.level} | {notes.rows[name]:,} | {notes.tokens[name]:,} |"
            f" {100 * family.floor:.1f} % | {family.source} |"
        )
    lines += ["", "| level | questions |", "|---|---|"]
    lines += [f"| {level} | {notes.levels[level]:,} |" for level in LEVELS]
    return "\n".join([*lines, ""])


def _level(name: str) -> int:
    return LEVELS.index(all_kinds()[name].level)


def _figures(figures: list[str]) -> str:
    if not figures:
        return "Figures are drawn where matplotlib is installed (`farspan[plot]`).\n"
    return "\n\n".join(f"![{name}]({FIGURES}/{name}.png)" for name in figures) + "\n"


def _rows() -> str:
    return """## Columns

`messages` (role, content; the document is in the user turn), `family`, `level`, `questions`
(family, level, message, start of the question in it, answer as a list), `evidence` (question,
message, start and end in characters), `answer` (of the last question), `tokens`, `seed`,
`documents` (id, title, licence, source, and where it stands: message, start, end).
"""


def _thrown(made: Made) -> str:
    lines = [f"- {line}" for line in made.left_out]
    lines += [f"- {reason}: {n:,} drafts" for reason, n in sorted(made.notes.thrown.items())]
    return "\n".join(["## Left out and drawn again", "", *lines, ""]) if lines else ""


def _sources(notes: Notes) -> str:
    found = {about: json.loads(about) for about in sorted(notes.documents)}
    licences: Counter[str] = Counter(row["licence"] for row in found.values())
    lines = ["## Sources", "", "| licence | documents |", "|---|---|"]
    lines += [f"| {name} | {n:,} |" for name, n in sorted(licences.items())]
    lines += ["", "| document | licence | source | rows |", "|---|---|---|---|"]
    for about, row in list(found.items())[:MOST_SOURCES]:
        cells = (row["title"], row["licence"], row["source"], f"{notes.documents[about]:,}")
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    if len(found) > MOST_SOURCES:
        lines.append(f"\nand {len(found) - MOST_SOURCES:,} more, named in the rows.")
    return "\n".join([*lines, ""])


def _draw(notes: Notes, folder: Path) -> list[str]:
    """Draws the figures; returns their names."""
    try:
        import matplotlib
    except ImportError:
        return []
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)

    def save(name: str, figure: Figure) -> str:
        figure.savefig(folder / f"{name}.png", dpi=110, bbox_inches="tight", metadata={})
        return name

    names = sorted(notes.rows, key=lambda x: (-_level(x), x), reverse=True)
    families = Figure(figsize=(7, 1 + 0.22 * len(names)))
    axes = families.subplots()
    colours = ("#1f6feb", "#2a9d6f", "#d1495b")
    axes.barh(names, [notes.rows[x] for x in names], color=[colours[_level(x)] for x in names])
    axes.invert_yaxis()
    axes.set_xlabel("rows (blue local, green medium, red global)")
    depths = Figure(figsize=(7, 2.6))
    axes = depths.subplots()
    axes.bar(
        [(i + 0.5) / DEPTH_BINS for i in range(DEPTH_BINS)],
        [notes.depths[str(i)] for i in range(DEPTH_BINS)],
        width=0.9 / DEPTH_BINS,
    )
    axes.set_xlabel("depth of evidence in its message")
    lengths = Figure(figsize=(7, 2.6))
    axes = lengths.subplots()
    values = sorted(int(x) for x in notes.lengths)
    axes.hist(values, weights=[notes.lengths[str(x)] for x in values], bins=40)
    axes.set_xlabel("tokens a row")
    return [save("families", families), save("depths", depths), save("lengths", lengths)]
