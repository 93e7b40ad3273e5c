"""One row of a data set: drawn, checked by a second program, put into chat form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from farspan.data.generation.counter import TokenCounter
from farspan.data.generation.dialogue import Dialogue, DialogueFamily, Turn, make_dialogue
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
    families: Sequence[Family | DialogueFamily]
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
            dialogue = _make(family, draft)
        except UnfitError as error:
            reason = str(error)
            tally.add(family.name, "did not fit")
            continue
        row = row_of(recipe, draft, family, dialogue, index)
        flaw = find_flaw(dialogue, rng)
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


def _make(family: Family | DialogueFamily, draft: Draft) -> Dialogue:
    if isinstance(family, DialogueFamily):
        return make_dialogue(draft)
    return as_dialogue(family, family.make(draft))


def as_dialogue(family: Family, task: Task) -> Dialogue:
    """A task as a dialogue of one turn."""
    evidence = tuple((0, a, b) for a, b in task.evidence)
    turn = Turn(family, task.document, task.question, task.answer, evidence, task.parts)
    return Dialogue((turn,))


def find_flaw(dialogue: Dialogue, rng: np.random.Generator) -> str | None:
    """What is wrong with a dialogue: a question's program fails on all that was read until then,
    or a guess that should not be right is."""
    for number, turn in enumerate(dialogue.turns):
        family = turn.family
        assert isinstance(family, Family), "only questions with a program can be checked"
        try:
            solved = family.solve(dialogue.context(number), turn.question)
        except (ValueError, LookupError):
            return "was not solved by its program"
        if not family.right(solved, turn.answer):
            return "was solved otherwise by its program"
        if family.floor == 0 and family.right(family.guess(turn.question, rng), turn.answer):
            return "was answered without its document"
    return None


def row_of(
    recipe: Recipe,
    draft: Draft,
    family: Family | DialogueFamily,
    dialogue: Dialogue,
    index: int,
) -> Row:
    """A dialogue in chat form, with what is known of it."""
    messages: list[dict[str, str]] = []
    questions: list[dict[str, Any]] = []
    evidence: list[dict[str, int]] = []
    documents: list[Mapping[str, Any]] = []
    shifts: list[int] = []
    for number, turn in enumerate(dialogue.turns):
        lead = "" if messages else f"{draft.say.lead()}\n\n"
        shifts.append(len(lead))
        head = f"{lead}{turn.document}\n\n" if turn.document else lead
        place = len(messages)
        answer = ", ".join(turn.answer)
        messages.append({"role": "user", "content": head + turn.question})
        messages.append({"role": "assistant", "content": answer})
        questions.append(
            {
                "family": turn.family.name,
                "level": turn.family.level,
                "message": place,
                "start": len(head),
                "answer": list(turn.answer),
            }
        )
        evidence += [
            {"question": number, "message": 2 * at, "start": a + shifts[at], "end": b + shifts[at]}
            for at, a, b in turn.evidence
        ]
        documents += [
            document_about(
                recipe.library, part.entry, place, part.start + len(lead), part.end + len(lead)
            )
            for part in turn.parts
        ]
    contents = [message["content"] for message in messages]
    return {
        "id": f"{recipe.split}-{recipe.seed}-{index}",
        "family": family.name,
        "level": family.level,
        "messages": messages,
        "questions": questions,
        "evidence": evidence,
        "answer": answer,
        "tokens": recipe.overhead * len(dialogue.turns) + int(recipe.count.each(contents).sum()),
        "seed": recipe.seed,
        "documents": documents,
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
