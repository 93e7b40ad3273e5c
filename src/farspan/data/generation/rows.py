"""One row of a data set: drawn, checked by a second program, put into chat form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from farspan.data.generation.counter import TokenCounter
from farspan.data.generation.draft import Draft, Family, Task, UnfitError
from farspan.data.generation.library import Library
from farspan.data.generation.phrasing import Phrasing
from farspan.errors import RequestError

MOST_TRIES = 60
TRIES_A_FAMILY = 6

Row = dict[str, Any]


@dataclass
class Tally:
    """Why drafts were thrown away, by family and reason."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, family: str, reason: str) -> None:
        """One draft more."""
        self.counts[family, reason] += 1


@dataclass(frozen=True)
class Recipe:
    """What the samples of a data set are drawn from and how."""

    library: Library
    count: TokenCounter
    families: Sequence[Family]
    weights: Sequence[float]
    length: int
    seed: int
    split: str = "train"
    overhead: int = 0


def make_row(recipe: Recipe, index: int, tally: Tally) -> Row:
    """The row of this number; the same recipe and number give the same row.

    A draft that its own program does not solve, that is too long or that a blind guess answers is
    drawn again. Raises `RequestError` when nothing fits.
    """
    bounds = np.cumsum(np.array(recipe.weights, dtype=np.float64))
    chooser = np.random.default_rng([recipe.seed, 0xC400, index])
    reason = ""
    for attempt in range(MOST_TRIES):
        if attempt % TRIES_A_FAMILY == 0:
            pick = int(np.searchsorted(bounds, chooser.random() * bounds[-1], side="right"))
            family = recipe.families[min(pick, len(recipe.families) - 1)]
        rng = np.random.default_rng([recipe.seed, index, attempt])
        phrasing = Phrasing(rng, recipe.split)
        draft = Draft(rng, recipe.length, recipe.library, recipe.count, phrasing, recipe.overhead)
        try:
            task = family.make(draft)
            row = _row(recipe, draft, family, task, index)
        except UnfitError as error:
            reason = str(error)
            tally.add(family.name, "did not fit")
            continue
        flaw = find_flaw(family, task, rng)
        if flaw is None and row["tokens"] > recipe.length:
            flaw = "was too long"
        if flaw is None:
            return row
        reason = f"{family.name} {flaw}"
        tally.add(family.name, flaw)
    raise RequestError(
        f"no sample of {recipe.length} tokens can be made from these documents (last: {reason});"
        " give another length, mix or more documents"
    )


def find_flaw(family: Family, task: Task, rng: np.random.Generator) -> str | None:
    """What is wrong with a task: its program fails, or a guess that should not be right is."""
    try:
        solved = family.solve(task.document, task.question)
    except (ValueError, LookupError):
        return "was not solved by its program"
    if not family.right(solved, task.answer):
        return "was solved otherwise by its program"
    if family.floor == 0 and family.right(family.guess(task.question, rng), task.answer):
        return "was answered without its document"
    return None


def _row(recipe: Recipe, draft: Draft, family: Family, task: Task, index: int) -> Row:
    lead = f"{draft.say.lead()}\n\n"
    question_at = len(lead) + len(task.document) + 2
    content = f"{lead}{task.document}\n\n{task.question}"
    answer = ", ".join(task.answer)
    shift = len(lead)
    return {
        "id": f"{recipe.split}-{recipe.seed}-{index}",
        "family": family.name,
        "level": family.level,
        "messages": [
            {"role": "user", "content": content},
            {"role": "assistant", "content": answer},
        ],
        "questions": [
            {
                "family": family.name,
                "level": family.level,
                "message": 0,
                "start": question_at,
                "answer": list(task.answer),
            }
        ],
        "evidence": [
            {"question": 0, "message": 0, "start": shift + a, "end": shift + b}
            for a, b in task.evidence
        ],
        "answer": answer,
        "tokens": recipe.overhead + recipe.count(content) + recipe.count(answer),
        "seed": recipe.seed,
        "documents": [
            document_about(recipe.library, part.entry, 0, part.start + shift, part.end + shift)
            for part in task.parts
        ],
    }


def document_about(
    library: Library, entry: int, message: int, start: int, end: int
) -> Mapping[str, Any]:
    """A source document as a row tells it: where it stands, its licence and its source."""
    found = library.entries[entry]
    return {
        "id": found.id,
        "title": found.title,
        "licence": found.licence,
        "source": found.source,
        "message": message,
        "start": start,
        "end": end,
    }
