"""Dialogues about several documents, after He et al. 2025 (arXiv 2504.12637), by construction.

Documents come one after the other in one context. After each there are questions from the whole
document down to single passages, then diverse ones; later turns come back to earlier documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from farspan.data.generation.draft import (
    LEVELS,
    Answer,
    Draft,
    Family,
    Task,
    UnfitError,
    insert,
    random_places,
)
from farspan.data.generation.families import chains, collections, counting, law, needles, times
from farspan.data.generation.library import Part

HIERARCHICAL = ("global", "global", "medium", "medium", "local")
"""The levels of the first questions about a document, from the whole to a passage."""

DIVERSE = 5
"""Questions of any level that follow them."""

REVISIT_CHANCE, REVISITS = 0.6, 3
"""How often a later document is followed by questions about earlier ones, and how many."""

MOST_DOCUMENTS = 8
DOCUMENT_TOKENS = 8192
"""Room for a further document."""

_NAMED = (
    "needle/single needle/multikey needle/multivalue chain/variables chain/hops chain/pointers"
    " law/definition count/times count/distinct count/balance time/order"
)
"""Families whose questions name what they are about, so that others in the same context do not
change their answers."""


@dataclass(frozen=True)
class DialogueFamily:
    """A kind of dialogue, by name; its questions are of several families and levels."""

    name: str
    level: str = "global"
    floor: float = 0.0
    needs: str = ""
    shortest: int = 8192
    source: str = "after He et al. 2025, arXiv 2504.12637"


@dataclass(frozen=True)
class Turn:
    """A question with its answer; before it, in its message, stands `document` if there is one.

    `evidence` are (turn, start, end): characters of the document in that turn.
    """

    family: Family | DialogueFamily
    document: str
    question: str
    answer: Answer
    evidence: tuple[tuple[int, int, int], ...]
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Dialogue:
    """Turns in order."""

    turns: tuple[Turn, ...]

    def context(self, turn: int) -> str:
        """All documents up to a turn."""
        return "\n\n".join(x.document for x in self.turns[: turn + 1] if x.document)


@dataclass(frozen=True)
class _Planted:
    """A task whose statements stand in a document: where its evidence is."""

    family: Family
    task: Task
    document: int
    evidence: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Plan:
    """How many documents there are, and how many questions follow each."""

    documents: int
    hierarchical: tuple[str, ...] = HIERARCHICAL
    diverse: int = DIVERSE


def make_dialogue(draft: Draft) -> Dialogue:
    """A dialogue of at most the draft's length. Raises `UnfitError` where it is too short."""
    n = max(2, min(draft.length // DOCUMENT_TOKENS, MOST_DOCUMENTS))
    plan = Plan(int(draft.rng.integers(2, n + 1)))
    if draft.length < 3 * DOCUMENT_TOKENS:
        plan = replace(plan, hierarchical=LEVELS[::-1], diverse=2)
    drawn = [_draw(draft, plan) for _ in range(plan.documents)]
    asked = [task for pairs in drawn for _, task in pairs]
    said = [text for task in asked for text in (task.question, ", ".join(task.answer))]
    turns_cost = int(draft.count.each(said).sum()) + draft.overhead * len(asked)
    each = (draft.room() - turns_cost) // plan.documents
    planted: list[list[_Planted]] = []
    texts: list[tuple[str, tuple[Part, ...]]] = []
    for number, pairs in enumerate(drawn):
        text, tasks, parts = _document(draft, number, each, pairs)
        texts.append((text, parts))
        planted.append(tasks)
    turns: list[Turn] = []
    started: dict[int, int] = {}
    kept: list[_Planted] = []
    n_first = len(plan.hierarchical) + plan.diverse
    for number, tasks in enumerate(planted):
        following = tasks[:n_first]
        if kept and draft.rng.random() < REVISIT_CHANCE:
            order = draft.rng.permutation(len(kept)).tolist()[:REVISITS]
            following += [kept[i] for i in order]
            kept = [x for i, x in enumerate(kept) if i not in order]
        kept += tasks[n_first:]
        started[number] = len(turns)
        for k, item in enumerate(following):
            text, parts = texts[number] if k == 0 else ("", ())
            where = started[item.document]
            evidence = tuple((where, a, b) for a, b in item.evidence)
            question = item.task.question
            turns.append(Turn(item.family, text, question, item.task.answer, evidence, parts))
    return Dialogue(tuple(turns))


def _draw(draft: Draft, plan: Plan) -> list[tuple[Family, Task]]:
    """The tasks of a document, as statements: broad to narrow, diverse, kept for later."""
    families = _families()
    picked = [_pick(draft.rng, families, level) for level in plan.hierarchical]
    n_more = plan.diverse + REVISITS
    picked += [families[int(i)] for i in draft.rng.integers(len(families), size=n_more)]
    bare = replace(draft, bare=True)
    return [(family, family.make(bare)) for family in picked]


def _document(
    draft: Draft, number: int, tokens: int, drawn: Sequence[tuple[Family, Task]]
) -> tuple[str, list[_Planted], tuple[Part, ...]]:
    """A document under its heading with the statements of its tasks, and where these stand."""
    rng = draft.rng
    tasks = [task for _, task in drawn]
    heading = collections.DOCUMENT.format(n=number + 1) + "\n\n"
    groups = [task.document.split("\n") for task in tasks]
    statements = [text for group in groups for text in group]
    costs = int(draft.count.each([" " + text for text in statements]).sum())
    room = tokens - costs - draft.count(heading)
    if room < tokens // 4:
        raise UnfitError(f"{tokens} tokens do not hold {len(tasks)} tasks with text between them")
    stretch = draft.text(room)
    places = np.concatenate([random_places(rng, stretch, len(group)) for group in groups])
    woven = insert(stretch, statements, places)
    found, first = [], 0
    for (family, task), group in zip(drawn, groups, strict=True):
        starts = np.cumsum([0, *(len(text) + 1 for text in group)]).tolist()
        spans = [woven.spans[first + starts.index(a)] for a, _ in task.evidence]
        shifted = tuple((len(heading) + a, len(heading) + b) for a, b in sorted(spans))
        found.append(_Planted(family, task, number, shifted))
        first += len(group)
    parts = tuple(part.shifted(len(heading)) for part in woven.parts)
    return heading + woven.text, found, parts


def _families() -> list[Family]:
    modules = (needles, chains, law, counting, times)
    known = {family.name: family for module in modules for family in module.FAMILIES}
    return [known[name] for name in _NAMED.split()]


def _pick(rng: np.random.Generator, families: Sequence[Family], level: str) -> Family:
    found = [family for family in families if family.level == level]
    return found[int(rng.integers(len(found)))]


DIALOGUES = (DialogueFamily("dialogue/documents"),)
