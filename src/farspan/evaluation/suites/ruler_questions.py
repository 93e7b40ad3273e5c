"""RULER's question answering: the paragraph that answers, among paragraphs that do not.

Hsieh et al. 2024, arXiv 2404.06654: qa_1 from a file in SQuAD's format, qa_2
from one in HotpotQA's. Where a file has too few paragraphs they are repeated, as RULER does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from farspan.errors import RequestError
from farspan.evaluation.encoder import Passage, join
from farspan.evaluation.samples import Draft, Question, Sample, Task
from farspan.evaluation.scoring import string_match_part
from farspan.evaluation.suites import Files
from farspan.evaluation.suites.ruler_needles import SOURCE

MAX_TOKENS = 32
_ORDER = (
    "Answer the question based on the given documents. Only give me the answer and do not output"
    " any other words."
)
_HEAD = f"{_ORDER}\n\nThe following are given documents.\n\n"
_QUESTION = f"{_ORDER}\n\nQuestion: {{query}}"


@dataclass(frozen=True)
class Item:
    """A question, its answers, and the indices of the paragraphs that it needs and comes with."""

    query: str
    answers: tuple[str, ...]
    needed: tuple[int, ...]
    beside: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reading:
    """Paragraphs and questions about them."""

    paragraphs: tuple[str, ...]
    items: tuple[Item, ...]


def tasks(files: Files) -> list[Task]:
    """Both tasks; without its file each says what it needs."""
    return [
        _task("qa_1", files.squad, "squad", read_squad),
        _task("qa_2", files.hotpot, "hotpot", read_hotpot),
    ]


def _task(name: str, path: Path | None, option: str, read: Callable[[Path], Reading]) -> Task:
    return Task(
        name=f"ruler/{name}",
        make=lambda draft: _make(draft, _read(path, read)),
        score=string_match_part,
        max_tokens=MAX_TOKENS,
        source=SOURCE,
        constant="zzzz",
        missing="" if path else f"a file with --{option}",
    )


def _read(path: Path | None, read: Callable[[Path], Reading]) -> Reading:
    assert path is not None, "the runner leaves out tasks that miss their file"
    try:
        return read(path)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"{path} is not in the format of its task ({error!r})") from error


def _make(draft: Draft, reading: Reading) -> Sample:
    item = reading.items[draft.index % len(reading.items)]
    question = Question(
        _QUESTION.format(query=item.query),
        item.answers,
        perfect=f" {item.answers[0]}",
        prefix=" Answer:",
        joint="\n\n",
    )
    head = draft.encode(_HEAD)
    room = draft.room(MAX_TOKENS, question, beside=[head])
    chosen = _chosen(draft, reading, item, room)
    order = draft.rng.permutation(len(chosen)).tolist()
    parts: list[Passage] = []
    for number, place in enumerate(order, 1):
        joint = "\n\n" if number > 1 else ""
        parts += [draft.encode(f"{joint}Document {number}:\n"), chosen[place]]
    return Sample(head, join(parts), (question,))


def _chosen(draft: Draft, reading: Reading, item: Item, room: int) -> list[Passage]:
    """The needed paragraphs, then others until there is no room; headers are counted."""
    header = len(draft.encode.ids("\n\nDocument 1000000:\n"))
    first = (*item.needed, *item.beside)
    rest = [i for i in draft.rng.permutation(len(reading.paragraphs)).tolist() if i not in first]
    chosen: list[Passage] = []
    while True:
        for index in (*first, *rest):
            passage = draft.encode.once(reading.paragraphs[index])
            if passage.n_tokens + header > room:
                if index in item.needed and len(chosen) < len(item.needed):
                    raise RequestError(
                        f"{draft.length} tokens do not hold the paragraphs of a question; give a"
                        " greater length"
                    )
                return chosen
            chosen.append(passage)
            room -= passage.n_tokens + header
        first = ()
        assert rest, "a file has more paragraphs than one question needs"


@cache
def read_squad(path: Path) -> Reading:
    """Paragraphs and questions of a file in SQuAD's format (1.1, or the answerable ones of 2.0)."""
    paragraphs: dict[str, int] = {}
    items = []
    found = _json(path)
    for article in found["data"] if isinstance(found, dict) else found:
        for paragraph in article["paragraphs"]:
            index = paragraphs.setdefault(paragraph["context"], len(paragraphs))
            for asked in paragraph["qas"]:
                answers = tuple(dict.fromkeys(x["text"] for x in asked["answers"]))
                if answers and not asked.get("is_impossible"):
                    items.append(Item(asked["question"], answers, (index,)))
    return _checked(path, Reading(tuple(paragraphs), _shuffled(items)))


@cache
def read_hotpot(path: Path) -> Reading:
    """Paragraphs and questions of a file in HotpotQA's format; all of a question's are kept."""
    paragraphs: dict[str, int] = {}
    items = []
    for entry in _json(path):
        needed: list[int] = []
        beside: list[int] = []
        supporting = {title for title, _ in entry["supporting_facts"]}
        for title, sentences in entry["context"]:
            index = paragraphs.setdefault(f"{title}\n{''.join(sentences)}", len(paragraphs))
            (needed if title in supporting else beside).append(index)
        items.append(Item(entry["question"], (entry["answer"],), tuple(needed), tuple(beside)))
    return _checked(path, Reading(tuple(paragraphs), _shuffled(items)))


def _shuffled(items: list[Item]) -> tuple[Item, ...]:
    """In an order that does not follow articles, the same for every run."""
    return tuple(items[i] for i in np.random.default_rng(42).permutation(len(items)))


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RequestError(f"{path} cannot be read as JSON: {error}") from error


def _checked(path: Path, reading: Reading) -> Reading:
    if len(reading.paragraphs) < 2 or not reading.items:
        raise RequestError(f"{path} has {len(reading.items)} questions, too few to ask any")
    return reading
