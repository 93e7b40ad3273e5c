"""Invented facts in many wordings (`farspan.data.facts`), solved by their templates alone."""

from __future__ import annotations

import re
from functools import cache

import numpy as np

from farspan.data.facts import POOLS, RELATIONS, fact_set
from farspan.data.generation.draft import Answer, Draft, Family, Task, UnfitError, weave
from farspan.data.generation.phrasing import part_of
from farspan.data.relations import Ask, Relation
from farspan.data.turns import as_answer

N_FACTS = (6, 24)
_SLOT = re.compile(r"\{(\w+)\}")


def _pattern(template: str, known: dict[str, str]) -> re.Pattern[str]:
    """A template as a pattern; known slots are filled, others match words."""
    pieces: list[str] = []
    seen: set[str] = set()
    for i, part in enumerate(_SLOT.split(template)):
        if i % 2 == 0:
            pieces.append(re.escape(part))
        elif part in known:
            pieces.append(re.escape(known[part]))
        else:
            pieces.append(f"(?P={part})" if part in seen else f"(?P<{part}>[^\\n]{{1,60}}?)")
            seen.add(part)
    text = "".join(pieces)
    first = template[0]
    if first.islower():
        text = f"[{first}{first.upper()}]{text[1:]}"
    elif first == "{" and (name := template[1 : template.index("}")]) in known:
        first = re.escape(known[name][0])
        text = f"[{first}{first.upper()}]{text[len(first) :]}"
    return re.compile(r"(?<!\w)" + text)


@cache
def _asks() -> list[tuple[Relation, Ask, re.Pattern[str]]]:
    return [
        (relation, ask, _pattern(question, {}))
        for relation in RELATIONS
        for ask in relation.asks
        for question in ask.questions
    ]


def _make(draft: Draft) -> Task:
    rng = draft.rng
    n = int(rng.integers(N_FACTS[0], N_FACTS[1] + 1))
    found = fact_set(rng, n, 1)
    turn = found.turns[0]
    relation = next(x for x in RELATIONS if turn.kind == f"fact_{x.name}")
    question, request = _split(turn.question, relation)
    kept = [x for ask in relation.asks for x in part_of(ask.questions, draft.say.split)]
    if not any(_pattern(text, {}).fullmatch(question) for text in kept):
        raise UnfitError("the question is worded for the other split")
    woven = weave(draft, found.statements, draft.room(), in_order=False)
    hits = _hits(woven.text, question)
    answer = {value for value, _, _ in hits}
    spans = [span for span in woven.spans if any(span[0] <= a < span[1] for _, a, _ in hits)]
    if len(answer) != 1 or turn.answer.find(next(iter(answer))) < 0 or not spans:
        raise UnfitError("the fact cannot be told from the others by its wording")
    asked = question + (request or " " + draft.say.question(("",), "answer").strip())
    value = next(iter(answer)).rstrip(".")
    return Task(woven.text, asked, (value,), tuple(spans), woven.parts)


def _split(question: str, relation: Relation) -> tuple[str, str]:
    """The question without a request such as "Be brief."."""
    for ask in relation.asks:
        for template in ask.questions:
            match = _pattern(template, {}).match(question)
            if match is not None and match.end() == len(question):
                return question, ""
    for mark in ("?", "."):
        head, dot, _ = question.partition(mark)
        if dot:
            return head + dot, ""
    return question, ""


def _hits(document: str, question: str) -> list[tuple[str, int, int]]:
    """What every reading of the question finds: values and their spans."""
    hits: list[tuple[str, int, int]] = []
    for relation, ask, pattern in _asks():
        match = pattern.match(question)
        if match is None:
            continue
        known = match.groupdict()
        windows = _windows(document, max(known.values(), key=len))
        for statement in relation.statements:
            if f"{{{ask.target}}}" not in statement:
                continue
            pattern = _pattern(statement, known)
            for begin, end in windows:
                for found in pattern.finditer(document, begin, end):
                    hits.append((found[ask.target], found.start(), found.end()))
    return list(dict.fromkeys(hits))


def _windows(document: str, value: str) -> list[tuple[int, int]]:
    """Where a value may stand in a statement; its first letter may be in upper case."""
    found, at = [], document.find(value[1:])
    while at >= 0:
        found.append((max(at - 300, 0), at + 300))
        at = document.find(value[1:], at + 1)
    return found


def _solve(document: str, question: str) -> Answer:
    return tuple({value.rstrip(".") for value, _, _ in _hits(document, question)})


def _guess(question: str, rng: np.random.Generator) -> Answer:
    for relation, ask, pattern in _asks():
        if pattern.match(question):
            return (as_answer(POOLS[relation.slots[ask.target]](rng)).rstrip("."),)
    return ("",)


FAMILIES = (Family("fact/single", "local", _make, _solve, _guess),)
