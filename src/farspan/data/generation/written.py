"""Questions about documents written by a model behind an OpenAI-compatible endpoint.

As in He et al. 2025 (arXiv 2504.12637): pieces of a document are summarised, the summaries are
summarised, and questions are asked from the summary of each level. A question is kept only if the
model answers it alike from the text it is about and otherwise without it.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urldefrag

import numpy as np

from farspan.data.generation.dialogue import (
    DOCUMENT_TOKENS,
    MOST_DOCUMENTS,
    Dialogue,
    DialogueFamily,
    Turn,
)
from farspan.data.generation.draft import LEVELS, Draft, UnfitError
from farspan.data.generation.families.collections import DOCUMENT
from farspan.data.generation.library import Part, Stretch
from farspan.errors import RequestError

PIECE_TOKENS, GROUP = 4096, 4
"""Tokens of a small piece, and how many small summaries make one of the middle level."""

SUMMARISE = (
    "Summarise the following text in at most {words} words. Keep names, numbers and events.\n\n"
    "{text}"
)
ASK = (
    "Write {n} questions that can be answered from the following summary of {what} and each have"
    " one short answer (a name, a number or a few words). Reply with a JSON list of objects with"
    ' the keys "question" and "answer" and nothing else.\n\n{text}'
)
CHECK = "{text}\n\nAnswer in a few words, or say 'unknown'.\n\n{question}"
_WHAT = {"global": "a whole document", "medium": "a part of a document", "local": "a passage"}
_LIST = re.compile(r"\[.*\]", re.S)
_WORD = re.compile(r"\w+")

TURN_TOKENS = 96
"""Room for a question and its answer."""

WRITTEN = {level: DialogueFamily(f"written/{level}", level) for level in LEVELS}

Complete = Callable[[str], str]
"""A prompt in, the model's reply out."""


@dataclass(frozen=True)
class Written:
    """A question that a model wrote, its answer, and the characters it is about."""

    level: str
    question: str
    answer: str
    start: int
    end: int


@dataclass(frozen=True)
class Node:
    """A stretch of a document with its summary."""

    level: str
    start: int
    end: int
    summary: str


def summarise(stretch: Stretch, complete: Complete) -> list[Node]:
    """Summaries of small pieces, of groups of them, and of the document, in this order."""
    n = max(round(stretch.tokens / PIECE_TOKENS), 1)
    goals = np.arange(1, n) * len(stretch.text) // n
    cuts = stretch.stops[np.searchsorted(stretch.stops, goals)].tolist() if n > 1 else []
    borders = sorted({0, *cuts, len(stretch.text)})
    small = []
    for a, b in itertools.pairwise(borders):
        said = complete(SUMMARISE.format(words=120, text=stretch.text[a:b].strip()))
        small.append(Node("local", a, b, said))
    middle = [_join("medium", small[i : i + GROUP], complete) for i in range(0, len(small), GROUP)]
    return [*small, *middle, _join("global", middle, complete)]


def _join(level: str, nodes: list[Node], complete: Complete) -> Node:
    text = "\n\n".join(node.summary for node in nodes)
    said = complete(SUMMARISE.format(words=200, text=text)) if len(nodes) > 1 else text
    return Node(level, nodes[0].start, nodes[-1].end, said)


def write_questions(
    stretch: Stretch, complete: Complete, rng: np.random.Generator, per_level: int = 2
) -> list[Written]:
    """Questions of every level about a document, the broad ones first, those kept that pass.

    Replies that are no list of questions are passed over, so there may be fewer than asked for.
    """
    nodes = summarise(stretch, complete)
    found = []
    for level in reversed(LEVELS):
        here = [node for node in nodes if node.level == level]
        node = here[int(rng.integers(len(here)))]
        reply = complete(ASK.format(n=per_level, what=_WHAT[level], text=node.summary))
        for question, answer in _parse(reply)[:per_level]:
            if _passes(question, answer, node, complete):
                found.append(Written(level, question, answer, node.start, node.end))
    return found


def _parse(reply: str) -> list[tuple[str, str]]:
    """Questions with answers in a reply, or none where it is of another form."""
    match = _LIST.search(reply)
    try:
        rows = json.loads(match[0]) if match else []
    except json.JSONDecodeError:
        return []
    pairs = [(row.get("question"), row.get("answer")) for row in rows if isinstance(row, dict)]
    return [
        (q.strip(), a.strip())
        for q, a in pairs
        if isinstance(q, str) and isinstance(a, str) and q.strip() and a.strip()
    ]


def _passes(question: str, answer: str, node: Node, complete: Complete) -> bool:
    """Whether the answer is found again from the summary, and is not from the question alone."""
    again = complete(CHECK.format(text=node.summary, question=question))
    blind = complete(CHECK.format(text="", question=question).strip())
    return alike(again, answer) and not alike(blind, answer)


def alike(one: str, other: str) -> bool:
    """Whether all words of one of two answers are in the other."""
    first, second = (set(_WORD.findall(text.lower())) for text in (one, other))
    return bool(first and second) and (first <= second or second <= first)


def written_dialogue(draft: Draft, complete: Complete) -> Dialogue:
    """Documents with the questions that a model wrote about them; one of each comes back later.

    Raises `UnfitError` when no question is left.
    """
    n = max(1, min(draft.length // DOCUMENT_TOKENS, MOST_DOCUMENTS))
    each = draft.room() // n - 8 * TURN_TOKENS
    turns: list[Turn] = []
    kept: list[tuple[int, Written]] = []
    for number in range(n):
        entry = draft.library.draw(draft.rng)
        first = draft.library.entries[entry].first
        stretch = draft.library.cut(entry, first, each)
        written = write_questions(stretch, complete, draft.rng) if len(stretch.stops) else []
        if not written:
            continue
        heading = DOCUMENT.format(n=number + 1) + "\n\n"
        text = heading + stretch.text
        parts = tuple(part.shifted(len(heading)) for part in stretch.parts)
        start = len(turns)
        *now, later = written if len(written) > 1 else [written[0], written[0]]
        for k, item in enumerate(now):
            shown = (text, parts) if k == 0 else ("", ())
            turns.append(_turn(item, start, len(heading), *shown))
        if kept:
            where, item = kept.pop(int(draft.rng.integers(len(kept))))
            turns.append(_turn(item, where, len(heading), "", ()))
        kept.append((start, later))
    if not turns:
        raise UnfitError("the model wrote no question that passes")
    return Dialogue(tuple(turns))


def _turn(item: Written, where: int, shift: int, document: str, parts: tuple[Part, ...]) -> Turn:
    evidence = ((where, item.start + shift, item.end + shift),)
    family = WRITTEN[item.level]
    return Turn(family, document, item.question, (item.answer,), evidence, parts)


def endpoint(name: str) -> Complete:
    """Completes prompts by `http://HOST/v1#MODEL`; the key comes from OPENAI_API_KEY.

    Attempts that fail for reasons that may pass are repeated. Raises `RequestError` when the
    endpoint fails or says nothing.
    """
    url, model = urldefrag(name)
    if not url.startswith(("http://", "https://")) or not model:
        raise RequestError(f"the endpoint is {name!r}; give it as http://HOST/v1#MODEL")
    try:
        import openai
    except ImportError as error:
        raise RequestError("endpoints need openai; pip install 'farspan[eval]'") from error
    key = os.environ.get("OPENAI_API_KEY", "none")
    client = openai.OpenAI(base_url=url, api_key=key, timeout=600, max_retries=4)

    def complete(prompt: str) -> str:
        try:
            found = client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": prompt}], temperature=0.0
            )
            text = found.choices[0].message.content
        except (openai.OpenAIError, AttributeError, IndexError, TypeError) as error:
            raise RequestError(f"the endpoint {name} failed: {error}") from error
        if not isinstance(text, str):
            raise RequestError(f"the endpoint {name} said nothing")
        return text.strip()

    return complete
