"""BABILong: bAbI's facts between the sentences of a book (Kuratov et al. 2024, arXiv 2406.10149).

Instructions, examples, answer formats, labels and scoring as published; facts from bAbI files or
from farspan's simulator. The suite `babiphrase` tells the simulator's facts in other words.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from farspan.data.babi import (
    PARAPHRASED,
    PLAIN,
    SIMULATED,
    Story,
    Style,
    find_babi,
    outcomes,
    read_babi,
    simulate,
)
from farspan.evaluation.samples import Draft, Question, Sample, Task
from farspan.evaluation.scoring import babilong_match
from farspan.evaluation.suites import Files

MAX_TOKENS = 20
SOURCE = "Kuratov et al. 2024, arXiv 2406.10149; prompts and metric of its repository"
REWORDED = ("qa1", "qa2", "qa3")
"""Tasks whose questions can be put in other words as well."""

Tell = Callable[[Draft], Story]


@cache
def prompts() -> dict[str, dict[str, Any]]:
    """Instruction, examples, answer format and labels of qa1 to qa20."""
    path = Path(__file__).parent / "babilong_prompts.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


def tasks(files: Files) -> list[Task]:
    """The published tasks; those that the simulator lacks need files."""
    return [_task(name, files.babi) for name in prompts()]


def reworded_tasks() -> list[Task]:
    """The tasks in other words."""
    return [
        _from_simulator(f"babiphrase/{name}", name, PARAPHRASED, f"farspan, after {SOURCE}")
        for name in REWORDED
    ]


def _task(name: str, folder: Path | None) -> Task:
    path = None if folder is None else find_babi(folder, name)
    if path is not None:
        stories = read_babi(path)
        counts = Counter(x.answer for x in stories)
        constant, often = counts.most_common(1)[0]

        def tell(draft: Draft) -> Story:
            return stories[int(draft.rng.integers(len(stories)))]

        return _make_task(f"babilong/{name}", name, tell, constant, often / len(stories), SOURCE)
    if name in SIMULATED:
        return _from_simulator(f"babilong/{name}", name, PLAIN, SOURCE)
    missing = f"its bAbI file in the folder of --babi ({name}_*.txt)"
    return _make_task(f"babilong/{name}", name, _nothing, "", 0.0, SOURCE, missing)


def _from_simulator(full_name: str, name: str, style: Style, source: str) -> Task:
    answers = outcomes(name)

    def tell(draft: Draft) -> Story:
        return simulate(name, draft.rng, style)

    return _make_task(full_name, name, tell, answers[0], 1 / len(answers), source)


def _nothing(draft: Draft) -> Story:
    raise AssertionError("the runner leaves out tasks that miss their file")


def _make_task(
    full_name: str,
    name: str,
    tell: Tell,
    constant: str,
    chance: float,
    source: str,
    missing: str = "",
) -> Task:
    return Task(
        name=full_name,
        make=lambda draft: _make(draft, name, tell(draft)),
        score=babilong_match,
        max_tokens=MAX_TOKENS,
        source=source,
        constant=constant,
        chance=chance,
        missing=missing,
    )


def _make(draft: Draft, name: str, story: Story) -> Sample:
    """Facts in their order at random ends of sentences of the book."""
    prompt = prompts()[name]
    question = Question(
        text=f"</context>\n\nQuestion: {story.question}",
        answers=(story.answer,),
        perfect=f"{story.answer}.",
        about={"labels": prompt["labels"], "asks": story.question},
    )
    parts = (prompt["instruction"], prompt["examples"], prompt["post_prompt"])
    head = draft.encode("\n\n".join(parts) + "\n\n<context>\n")
    pieces = [draft.encode(" " + fact) for fact in story.facts]
    room = draft.room(MAX_TOKENS, question, beside=[head, *pieces])
    body = draft.haystack.take(draft.rng, room)
    places = np.sort(draft.rng.choice(body.stops, size=len(pieces)))
    return Sample(head, body.with_inserted(places.tolist(), pieces), (question,))
