"""Quotations from the documents themselves: completed, followed, preceded, and put in order."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from farspan.data.generation.draft import Answer, Draft, Family, Stretch, Task, UnfitError
from farspan.data.generation.phrasing import without_request
from farspan.data.generation.wordings import Wordings

WORDS = range(12, 45)
"""How long, in words, a sentence is that is quoted."""

_QUOTE = r"[^\n]+?"
COMPLETE = Wordings(
    """Complete the sentence: "{quote}"
    How does this sentence go on: "{quote}"
    Finish this sentence from the text: "{quote}"
    A sentence begins with "{quote}" What are its remaining words?
    The text has a sentence that starts "{quote}" Continue it to its end.
    Which words follow "{quote}" up to the end of the sentence?
    Quote the rest of the sentence that opens with "{quote}"
    What comes after "{quote}" in the same sentence?""",
    quote=_QUOTE,
)
NEXT = Wordings(
    """Which sentence follows this one: "{quote}"
    What does the text say right after "{quote}"
    Quote the sentence that comes next after "{quote}"
    After the sentence "{quote}" comes which sentence?
    Find "{quote}" and give the sentence behind it.
    Which words stand in the sentence directly behind "{quote}"
    Read on after "{quote}" What is the next sentence?
    Copy the sentence that immediately follows "{quote}\"""",
    quote=_QUOTE,
)
ORDER = Wordings(
    """In which order do these sentences stand in the text? {quotes}
    Put these sentences in the order in which the text has them: {quotes}
    Sort these sentences by their place in the text: {quotes}
    Which of these sentences comes first, which next, and so on? {quotes}
    Order these quotations by where they occur: {quotes}
    These sentences are shuffled. Restore their order in the text. {quotes}
    Arrange these sentences as the text presents them: {quotes}
    Tell the order of appearance of these sentences: {quotes}""",
    quotes=r".+",
)
_LETTERS = "ABCDEFGH"
N_ORDERED = 5
_SPACE = re.compile(r"\s+")


def _sentences(stretch: Stretch, rng: np.random.Generator, n: int, gap: int = 0) -> list[int]:
    """Numbers of `n` stops whose sentences stand in one line and occur once, spread evenly."""
    found: list[int] = []
    for goal in (np.sort(rng.random(12 * n)) * (len(stretch.stops) - 2)).astype(int).tolist():
        a, b = int(stretch.stops[goal]), int(stretch.stops[goal + 1])
        text = stretch.text[a:b]
        body = text.strip()
        crossing = any(part.start in range(a + 1, b) for part in stretch.parts)
        if crossing or "\n" in body or '"' in body or len(body.split()) not in WORDS:
            continue
        if (found and goal <= found[-1] + gap) or stretch.text.count(body) > 1:
            continue
        found.append(goal)
    if len(found) < n:
        raise UnfitError("too few sentences are fit to be quoted")
    picked = np.sort(rng.permutation(len(found))[:n])
    return [found[i] for i in picked.tolist()]


def _span(stretch: Stretch, number: int) -> tuple[int, int]:
    """The sentence after a stop, without the white space before it."""
    a, b = int(stretch.stops[number]), int(stretch.stops[number + 1])
    return b - len(stretch.text[a:b].lstrip()), b


def _completion(draft: Draft) -> Task:
    stretch = draft.text(draft.room() - 128)
    start, end = _span(stretch, _sentences(stretch, draft.rng, 1)[0])
    words = [m.end() for m in re.finditer(r"\S+", stretch.text[start:end])]
    cut = start + words[int(draft.rng.integers(6, len(words) - 3))]
    quote, rest = stretch.text[start:cut], stretch.text[cut:end].strip()
    if stretch.text.count(quote) > 1:
        raise UnfitError("the quotation occurs twice")
    question = draft.say.question(COMPLETE.texts, "missing words", quote=quote)
    return Task(stretch.text, question, (rest,), ((start, end),), stretch.parts)


def _solve_completion(document: str, question: str) -> Answer:
    """The words after the quotation, up to the end of a sentence as the text's reader sees it."""
    from farspan.data.structure.levels import sentence_spans

    quote = COMPLETE.match(question)["quote"]
    at = document.index(quote)
    after = document[at : at + 2000].split("\n")[0]
    spans = sentence_spans(after)
    return (after[len(quote) : spans[0][1]].strip(),)


def _following(draft: Draft) -> Task:
    stretch = draft.text(draft.room() - 128)
    number = _sentences(stretch, draft.rng, 1)[0]
    if number + 2 >= len(stretch.stops):
        raise UnfitError("no sentence follows the quoted one")
    (start, middle), (begin, end) = _span(stretch, number), _span(stretch, number + 1)
    answer = stretch.text[begin:end]
    if begin != middle + 1 or "\n" in answer or len(answer.split()) not in WORDS:
        raise UnfitError("the next sentence does not stand beside the quoted one")
    question = draft.say.question(NEXT.texts, "sentence", quote=stretch.text[start:middle])
    return Task(stretch.text, question, (answer,), ((start, end),), stretch.parts)


def _solve_following(document: str, question: str) -> Answer:
    from farspan.data.structure.levels import sentence_spans

    quote = NEXT.match(question)["quote"]
    at = document.index(quote)
    line = document[at : at + 4000].split("\n")[0]
    return (next(line[a:b] for a, b in sentence_spans(line) if a >= len(quote)),)


def _ordering(draft: Draft) -> Task:
    stretch = draft.text(draft.room() - 64 * N_ORDERED)
    numbers = _sentences(stretch, draft.rng, N_ORDERED)
    spans = [_span(stretch, number) for number in numbers]
    shown = draft.rng.permutation(N_ORDERED).tolist()
    quotes = " ".join(
        f"({_LETTERS[i]}) {stretch.text[slice(*spans[k])]}" for i, k in enumerate(shown)
    )
    answer = tuple(_LETTERS[shown.index(k)] for k in range(N_ORDERED))
    question = draft.say.question(ORDER.texts, "letters, in order", quotes=quotes)
    return Task(stretch.text, question, answer, tuple(spans), stretch.parts)


def _solve_ordering(document: str, question: str) -> Answer:
    question = without_request(question)
    marks = [re.search(rf"\({letter}\) ", question) for letter in _LETTERS[:N_ORDERED]]
    starts = [(m.start(), m.end()) for m in marks if m is not None]
    places = {}
    for letter, (a, b) in zip(_LETTERS, pairwise([*starts, (len(question), 0)]), strict=False):
        places[letter] = document.index(question[a[1] : b[0]].strip())
    return tuple(sorted(places, key=lambda letter: places[letter]))


def _guess_order(question: str, rng: np.random.Generator) -> Answer:
    return tuple(_LETTERS[i] for i in rng.permutation(N_ORDERED))


def _guess_words(question: str, rng: np.random.Generator) -> Answer:
    words = question.split()
    return (" ".join(words[i] for i in rng.permutation(len(words))[:8]) + ".",)


FAMILIES = (
    Family("quote/completion", "local", _completion, _solve_completion, _guess_words),
    Family("quote/next", "local", _following, _solve_following, _guess_words),
    Family(
        "quote/order", "global", _ordering, _solve_ordering, _guess_order, 1 / 120, ordered=True
    ),
)
