"""Several documents or chapters: differences of sets, which holds what, passages put in order."""

from __future__ import annotations

import re
from bisect import bisect_right

import numpy as np

from farspan.data.generation.draft import (
    Answer,
    Draft,
    Family,
    Stretch,
    Task,
    UnfitError,
    insert,
    random_places,
)
from farspan.data.generation.families.needles import near_keys
from farspan.data.generation.library import Part
from farspan.data.generation.wordings import Wordings
from farspan.data.needles import random_key
from farspan.data.turns import pick
from farspan.data.words import ANIMALS, COLOURS

_KEY, _HEAD = r"[a-z]+-[a-z]+", r"\d+"
DOCUMENT, CHAPTER = "===== Document {n} =====", "===== Chapter {n} ====="
_HEADING = re.compile(r"^===== (?:Document|Chapter) (\d+) =====$", re.M)

STOCK = Wordings(
    """The inventory lists a {thing}.
    Among the goods there is a {thing}.
    A {thing} is entered in the books.
    The clerk wrote down a {thing}.""",
    thing=r"[a-z]+ [a-z]+",
)
LACKING = Wordings(
    """Which inventoried animals of document {a} are missing from document {b}?
    What does document {a} enter in its inventory that document {b} does not?
    List the inventory entries that document {a} has and document {b} lacks.
    Compare the inventories: what stands in document {a} but not in document {b}?
    Which entries of the inventory in document {a} are not in that of document {b}?
    Take the inventory of document {a} and strike out what document {b} has. What remains?
    Name everything listed in document {a} and not listed in document {b}.
    What would have to be added to the inventory of document {b} to hold all of document {a}?""",
    a=_HEAD,
    b=_HEAD,
)
SHARED = Wordings(
    """Which inventoried animals do documents {a} and {b} have in common?
    What do the inventories of document {a} and document {b} share?
    List the inventory entries that stand in both document {a} and document {b}.
    Compare the inventories: what is in document {a} as well as in document {b}?
    Which entries are found in the inventory of document {a} and in that of document {b}?
    Name everything that is listed both in document {a} and in document {b}.
    What is the overlap of the inventories of documents {a} and {b}?
    Take the inventories of document {a} and document {b}. What is in both?""",
    a=_HEAD,
    b=_HEAD,
)
MARKS = Wordings(
    """Here the secret sign {key} was found.
    Someone had scratched {key} into the wall at this point.
    On the margin of this page stands the word {key}.
    A note with the word {key} lay between these pages.""",
    key=_KEY,
)
WHICH = Wordings(
    """In which {part} does the word {key} occur?
    Give the number of the {part} that holds the word {key}.
    The word {key} stands in one {part}. Which?
    Find {key}: in which {part} is it?
    Which {part} mentions {key}?
    What is the number of the {part} with {key} in it?
    Where is {key} to be found? Name the {part}.
    Look for {key} and tell me in which {part} it stands.""",
    part="document|chapter",
    key=_KEY,
)
WITHOUT = Wordings(
    """Which document is the only one that does not contain the word {key}?
    All documents but one hold the word {key}. Which one does not?
    In which document is the word {key} missing?
    The word {key} occurs in every document except one; give its number.
    Find the document without the word {key}.
    One document lacks the word {key}. Which?
    Which document never mentions {key}?
    Tell the number of the document in which {key} does not occur.""",
    key=_KEY,
)
N_PARTS = range(4, 9)


def assemble(
    draft: Draft,
    statements: list[list[str]],
    room: int,
    heading: str,
) -> tuple[str, list[list[tuple[int, int]]], tuple[Part, ...]]:
    """Parts under numbered headings, each a text of its own with its statements in it.

    Returns the document, the spans of the statements, part by part, and the library's parts.
    """
    draft_room = room - int(
        draft.count.each([" " + x for texts in statements for x in texts]).sum()
    )
    each = draft_room // len(statements) - 16
    if each < 96:
        raise UnfitError("the parts would be too short")
    pieces: list[str] = []
    spans: list[list[tuple[int, int]]] = []
    parts: list[Part] = []
    at = 0
    for number, texts in enumerate(statements, 1):
        head = ("\n\n" if pieces else "") + heading.format(n=number) + "\n\n"
        stretch = draft.text(each)
        woven = insert(stretch, texts, random_places(draft.rng, stretch, len(texts)))
        pieces += [head, woven.text]
        at += len(head)
        spans.append([(a + at, b + at) for a, b in woven.spans])
        parts += [part.shifted(at) for part in woven.parts]
        at += len(woven.text)
    document = "".join(pieces)
    if len(_HEADING.findall(document)) != len(statements):
        raise UnfitError("the text has headings like those of the parts")
    return document, spans, tuple(parts)


def split_parts(document: str) -> dict[str, str]:
    """The text of every numbered part."""
    heads = list(_HEADING.finditer(document))
    ends = [head.start() for head in heads[1:]] + [len(document)]
    return {h[1]: document[h.end() : end] for h, end in zip(heads, ends, strict=True)}


def _things(rng: np.random.Generator, n: int) -> list[str]:
    animals = [x for x in ANIMALS if x.isalpha()]
    colours = [x for x in COLOURS if x.isalpha()]
    found: dict[str, None] = {}
    while len(found) < n:
        found[f"{pick(rng, colours)} {pick(rng, animals)}"] = None
    return list(found)


def _sets(draft: Draft, wordings: Wordings, shared: bool) -> Task:
    """Inventories of several documents; two of them are compared."""
    rng = draft.rng
    n = int(rng.integers(2, 5))
    things = _things(rng, 14)
    k = int(rng.integers(1, 5))
    wanted, rest = things[:k], things[k:]
    other = rest[: int(rng.integers(2, 5))]
    only = rest[5 : 5 + int(rng.integers(2, 5))]
    first = [*wanted, *other]
    second = [*wanted, *only] if shared else [*other, *only]
    lists = [first, second, *([pick(rng, things) for _ in range(4)] for _ in range(n - 2))]
    lists = [list(dict.fromkeys(items[i] for i in rng.permutation(len(items)))) for items in lists]
    order = rng.permutation(n).tolist()
    told = [[STOCK.say(rng, thing=thing) for thing in lists[i]] for i in order]
    document, spans, parts = assemble(draft, told, draft.room(), DOCUMENT)
    a, b = order.index(0), order.index(1)
    question = draft.say.question(wordings.texts, "entries, separated by commas", a=a + 1, b=b + 1)
    evidence = tuple(sorted((*spans[a], *spans[b])))
    return Task(document, question, tuple(wanted), evidence, parts)


def _solve_sets(document: str, question: str, wordings: Wordings, shared: bool) -> Answer:
    asked, texts = wordings.match(question), split_parts(document)
    one, other = ({x.slots["thing"] for x in STOCK.read(texts[asked[name]])} for name in ("a", "b"))
    return tuple(one & other if shared else one - other)


def _which(draft: Draft, heading: str, part: str) -> Task:
    """One word a part, half of them alike; the one with the word asked for is to be named."""
    rng = draft.rng
    n = pick(rng, list(N_PARTS))
    key = random_key(rng, pair=True)
    keys = [key, *near_keys(rng, key, 2 * n - 1)]
    order = rng.permutation(2 * n).tolist()
    told = [[MARKS.say(rng, key=keys[i]) for i in order[2 * p : 2 * p + 2]] for p in range(n)]
    document, spans, parts = assemble(draft, told, draft.room(), heading)
    place, second = divmod(order.index(0), 2)
    question = draft.say.question(WHICH.texts, "number in digits", part=part, key=key)
    return Task(document, question, (str(place + 1),), (spans[place][second],), parts)


def _solve_which(document: str, question: str) -> Answer:
    at = document.index(WHICH.match(question)["key"])
    heads = list(_HEADING.finditer(document))
    return (heads[bisect_right([head.start() for head in heads], at) - 1][1],)


def _guess_part(question: str, rng: np.random.Generator) -> Answer:
    """Somewhere among the least number of parts, which no guess can do better than."""
    return (str(int(rng.integers(1, N_PARTS.start + 1))),)


_PART_FLOOR = float(np.mean([1 / n for n in N_PARTS]))


def _without(draft: Draft) -> Task:
    rng = draft.rng
    n = pick(rng, list(N_PARTS))
    key = random_key(rng, pair=True)
    missing = int(rng.integers(n))
    near = near_keys(rng, key, 2 * n)
    told = []
    for p in range(n):
        keys = [near[2 * p], near[2 * p + 1] if p == missing else key]
        told.append([MARKS.say(rng, key=keys[i]) for i in rng.permutation(2).tolist()])
    document, spans, parts = assemble(draft, told, draft.room(), DOCUMENT)
    evidence = tuple(
        span
        for texts, places in zip(told, spans, strict=True)
        for text, span in zip(texts, places, strict=True)
        if re.search(rf"\b{key}\b", text)
    )
    question = draft.say.question(WITHOUT.texts, "number in digits", key=key)
    return Task(document, question, (str(missing + 1),), evidence, parts)


def _solve_without(document: str, question: str) -> Answer:
    key = re.compile(rf"\b{WITHOUT.match(question)['key']}\b")
    return tuple(n for n, text in split_parts(document).items() if not key.search(text))


RESTORE = Wordings(
    """The passages above were shuffled. In which order do they belong?
    Each passage ends with the first words of the one that follows it. What is their order?
    Restore the order of the lettered passages.
    Put the passages back into their order, by the catchwords at their ends.
    Which passage comes first, which next, and so on?
    Sort the lettered passages so that each one goes on where the one before stops.
    By the catchwords, in what order should the passages be read?
    Give the right sequence of the passages."""
)
_PASSAGE = re.compile(r"^----- Passage ([A-H]) -----$", re.M)
_CATCH = re.compile(r"\[to be continued with: (.*)\]\s*$")
_LETTERS = "ABCDEFGH"
N_PASSAGES = 5


def _restore(draft: Draft) -> Task:
    """One text in five pieces, shuffled; as in old books each piece names the next one's words."""
    rng = draft.rng
    stretch = draft.text(draft.room() - 40 * N_PASSAGES)
    cuts = _even_cuts(stretch, N_PASSAGES)
    pieces = [stretch.text[a:b].strip() for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    catches = [" ".join(piece.split()[:8]) for piece in pieces]
    if len(set(catches)) < N_PASSAGES:
        raise UnfitError("two passages begin alike")
    order = rng.permutation(N_PASSAGES).tolist()
    out: list[str] = []
    spans = []
    at = 0
    for letter, k in zip(_LETTERS, order, strict=False):
        following = catches[k + 1] if k + 1 < N_PASSAGES else "the end"
        head = f"----- Passage {letter} -----\n\n"
        catch = f"[to be continued with: {following}]"
        text = f"{head}{pieces[k]}\n\n{catch}\n\n"
        spans.append((at + len(text) - 2 - len(catch), at + len(text) - 2))
        out.append(text)
        at += len(text)
    answer = tuple(_LETTERS[order.index(k)] for k in range(N_PASSAGES))
    document = "".join(out).rstrip()
    entries = dict.fromkeys(part.entry for part in stretch.parts)
    parts = tuple(Part(entry, 0, len(document)) for entry in entries)
    question = draft.say.question(RESTORE.texts, "letters, in order")
    return Task(document, question, answer, tuple(spans), parts)


def _even_cuts(stretch: Stretch, n: int) -> list[int]:
    goals = np.arange(1, n) * stretch.stops[-1] // n
    cuts = stretch.stops[np.searchsorted(stretch.stops, goals)].tolist()
    if len({*cuts, 0, int(stretch.stops[-1])}) < n + 1:
        raise UnfitError("the text has too few sentences to be cut")
    return list(cuts)


def _solve_restore(document: str, question: str) -> Answer:
    RESTORE.match(question)
    heads = list(_PASSAGE.finditer(document))
    ends = [head.start() for head in heads[1:]] + [len(document)]
    texts = {h[1]: document[h.end() : e].strip() for h, e in zip(heads, ends, strict=True)}
    after: dict[str, str] = {}
    for letter, text in texts.items():
        catch = _CATCH.search(text)
        if catch is not None and catch[1] != "the end":
            # Only the first words: the passage itself may break its lines elsewhere.
            after[letter] = next(
                x for x, t in texts.items() if " ".join(t[:400].split()).startswith(catch[1])
            )
    letter = next(x for x in texts if x not in after.values())
    found = [letter]
    while letter in after:
        letter = after[letter]
        found.append(letter)
    return tuple(found)


def _guess_letters(question: str, rng: np.random.Generator) -> Answer:
    return tuple(_LETTERS[i] for i in rng.permutation(N_PASSAGES))


FAMILIES = (
    Family(
        "sets/difference",
        "global",
        lambda draft: _sets(draft, LACKING, shared=False),
        lambda document, question: _solve_sets(document, question, LACKING, False),
        lambda question, rng: tuple(_things(rng, 2)),
    ),
    Family(
        "sets/shared",
        "global",
        lambda draft: _sets(draft, SHARED, shared=True),
        lambda document, question: _solve_sets(document, question, SHARED, True),
        lambda question, rng: tuple(_things(rng, 2)),
    ),
    Family(
        "which/document",
        "global",
        lambda draft: _which(draft, DOCUMENT, "document"),
        _solve_which,
        _guess_part,
        _PART_FLOOR,
        shortest=2048,
    ),
    Family(
        "which/chapter",
        "medium",
        lambda draft: _which(draft, CHAPTER, "chapter"),
        _solve_which,
        _guess_part,
        _PART_FLOOR,
        shortest=2048,
    ),
    Family(
        "which/without",
        "global",
        _without,
        _solve_without,
        _guess_part,
        _PART_FLOOR,
        shortest=2048,
    ),
    Family(
        "passages/restore",
        "global",
        _restore,
        _solve_restore,
        _guess_letters,
        1 / 120,
        ordered=True,
    ),
)
