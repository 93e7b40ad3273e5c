"""Look-up in records: key-value pairs as in Liu et al. 2023 (arXiv 2307.03172), and tables."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable

import numpy as np

from farspan.data.generation.draft import Answer, Draft, Family, Task, UnfitError, insert
from farspan.data.generation.library import Part
from farspan.data.generation.wordings import Wordings
from farspan.data.needles import random_value
from farspan.data.turns import pick
from farspan.data.words import CITIES, COLOURS, FIRST_NAMES, OBJECTS, SURNAMES

PAIRS = Wordings(
    """What is the value of the key "{key}"?
    Which value does the data hold under "{key}"?
    Look up "{key}" and tell me its value.
    Return the value stored under "{key}".
    To what does "{key}" map?
    Read off the entry "{key}".
    Find the entry with the key "{key}". What is its value?
    Under the key "{key}" stands which value?""",
    key=r"[\da-f-]+",
)
CELLS = Wordings(
    """In the row of {row}, what is the {column}?
    What does the table give as the {column} of {row}?
    Look up the {column} for {row}.
    Which {column} does the table list for {row}?
    Find {row} in the table and read off the {column}.
    According to the table, what is the {column} of {row}?
    {row}: which {column} is entered?
    Tell me the {column} that stands in the line of {row}.""",
)
_ROW = re.compile(r"^\| (.+) \|$", re.M)
COLUMNS = ("city", "colour", "object", "number", "code")


def _ids(rng: np.random.Generator, n: int) -> list[str]:
    """UUIDs; every eighth differs from the one before it in a single place."""
    text = rng.bytes(16 * n).hex()
    found = [str(uuid.UUID(text[i : i + 32], version=4)) for i in range(0, 32 * n, 32)]
    for i in range(7, n, 8):
        found[i] = found[i - 1][:-1] + "0123456789abcdef"[int(found[i - 1][-1], 16) - 1]
    return found


def _fill(draft: Draft, room: int, make: Callable[[int], list[str]]) -> list[str]:
    """The most lines that fit, from a maker of so many lines."""
    sample = make(16)
    n = max(int(0.99 * room * 16 / draft.count("\n".join(sample))), 4)
    lines = make(n)
    used = np.cumsum(draft.count.each([line + "\n" for line in lines]))
    kept = lines[: int(np.searchsorted(used, room, side="right"))]
    if len(kept) < 4:
        raise UnfitError("there is no room for four records")
    return kept


def _pairs(draft: Draft) -> Task:
    rng = draft.rng

    def make(n: int) -> list[str]:
        keys = [key for pair in zip(_ids(rng, n), _ids(rng, n), strict=True) for key in pair]
        return [f'"{a}": "{b}",' for a, b in zip(keys[::2], keys[1::2], strict=True)]

    lines = _fill(draft, draft.room() - 4, make)
    lines[-1] = lines[-1].rstrip(",")
    asked = int(rng.integers(len(lines)))
    key, value = re.findall(r'"([^"]+)"', lines[asked])
    start = 2 + sum(len(line) + 1 for line in lines[:asked])
    document = "{\n" + "\n".join(lines) + "\n}"
    question = draft.say.question(PAIRS.texts, "value", key=key)
    return Task(document, question, (value,), ((start, start + len(lines[asked].rstrip(","))),))


def _solve_pairs(document: str, question: str) -> Answer:
    return (json.loads(document)[PAIRS.match(question)["key"]],)


def _table(draft: Draft) -> Task:
    """A table in the middle of prose or alone; rows are people, some of one surname."""
    rng = draft.rng
    names: dict[str, None] = {}

    def make(n: int) -> list[str]:
        names.clear()
        while len(names) < n:
            names[f"{pick(rng, FIRST_NAMES)} {pick(rng, SURNAMES)}"] = None
        return [f"| {' | '.join((name, *_cells(rng)))} |" for name in names]

    room = draft.room()
    alone = rng.random() < 0.5
    share = 1.0 if alone else float(rng.uniform(0.2, 0.7))
    most = min(int(share * room), 60_000)
    head = ["| name | " + " | ".join(COLUMNS) + " |", "|" + "---|" * (len(COLUMNS) + 1)]
    costs = sum(draft.count(line + "\n") for line in head)
    lines = _fill(draft, most - costs - 16, make)
    asked, column = int(rng.integers(len(lines))), int(rng.integers(len(COLUMNS)))
    cells = lines[asked].strip("| ").split(" | ")
    table = "\n".join([*head, *lines])
    start = sum(len(line) + 1 for line in (*head, *lines[:asked]))
    parts: tuple[Part, ...] = ()
    left = room - draft.count(table) - 8
    if left > 256:
        stretch = draft.text(left)
        place = np.array([stretch.stops[int(rng.integers(len(stretch.stops)))]])
        woven = insert(stretch, [f"\n\n{table}\n\n"], place)
        start += woven.spans[0][0] + 2
        table, parts = woven.text, woven.parts
    question = draft.say.question(CELLS.texts, "entry", row=cells[0], column=COLUMNS[column])
    span = (start, start + len(lines[asked]))
    return Task(table, question, (cells[column + 1],), (span,), parts)


def _cells(rng: np.random.Generator) -> tuple[str, ...]:
    code = random_value(rng, "word")
    return pick(rng, CITIES), pick(rng, COLOURS), pick(rng, OBJECTS), str(rng.integers(999)), code


def _solve_table(document: str, question: str) -> Answer:
    asked = CELLS.match(question)
    rows = [match[1].split(" | ") for match in _ROW.finditer(document)]
    column = next(row for row in rows if asked["column"] in row).index(asked["column"])
    return tuple({row[column] for row in rows if row[0] == asked["row"]})


def _guess_cell(question: str, rng: np.random.Generator) -> Answer:
    column = CELLS.match(question)["column"]
    return (_cells(rng)[COLUMNS.index(column)],)


FAMILIES = (
    Family(
        "lookup/pairs",
        "local",
        _pairs,
        _solve_pairs,
        lambda question, rng: (_ids(rng, 1)[0],),
        source="after Liu et al. 2023, arXiv 2307.03172",
    ),
    Family("lookup/table", "local", _table, _solve_table, _guess_cell),
)
