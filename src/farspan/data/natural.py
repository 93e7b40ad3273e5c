"""Questions in other words than the text's, made from the grammar of its sentences.

A question is kept when its content words find its sentence: two of them are rare in the document,
and no other sentence of it holds them all.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from farspan.data import words
from farspan.data.natural_ask import Asked, about_nouns, questions
from farspan.data.natural_clause import clauses, reworded, usable
from farspan.data.natural_words import NOUNS, VERBS, word_set
from farspan.data.parse import parse
from farspan.data.sentences import Quotable, sentences
from farspan.data.turns import Item, as_answer

SPACING = 160
"""Characters from one candidate to the next."""

MOST = 2
"""Questions kept of one candidate; a training row asks one of them."""

_CUT = re.compile(r"; (?:and |but |so |for )?|: | ?(?:--|—) ?(?:and |but )?")
"""Where a long sentence falls into statements that can be asked for one by one."""

_RARE = 1 / 80
"""A word is rare when it stands in at most this share of sentences, or in three."""

_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*|\d[\d,.]*\d|\d")
_JUNK = re.compile(
    r"[_*|{}<>=\[\]\\^~#§$@+“”\"…;:]|\.\.\.|  +\S|://|\b[A-Z]{2,}\b|--|—|\s[,.]|[?!]|\([a-z]\)|”\w"
    r"|(?:^|[ -])['‘]"
)
_FRAGMENT = re.compile(
    r"(?:while|which|who|whom|whose|in|as|if|when|that|where|because|or|nor|not|then|it|this|there"
    r"|these|those|what|how|such|It|This|There|These|Those|That|Such|Let|See|Note|Consider)\b"
)
_PERSON = re.compile(
    r"\b(?:Mr\.?|Mrs\.?|Miss|Dr\.|Sir|Lady|Lord|Captain|Colonel|Monsieur|Madame|Don|Aunt|Uncle)"
    r" (?P<a>[A-Z][a-zé]{2,})\b|\b(?P<b>[A-Z][a-zé]{2,}) (?:said|cried|replied|asked|answered"
    r"|exclaimed|whispered|smiled|laughed|nodded|sighed|thought|looked|felt|knew|turned)\b"
)
_NOT_PEOPLE = word_set("""
    The They There Then She One Some Someone Everybody Everyone Nobody Others And But Who All
    Both Each Half May This That These Those You People Men Many God""")
_ADDRESS = re.compile(r"\b(?:you|your|thou|thee|thy|ye|shall|let us)\b", re.I)
_SHARES = {
    "natural_who": 1.0,
    "natural_what_did": 0.3,
    "natural_whom": 1.5,
    "natural_what": 0.8,
    "natural_where": 2.0,
    "natural_when": 1.5,
    "natural_why": 4.0,
    "natural_how_many": 5.0,
    "natural_whose": 5.0,
    "natural_with": 0.8,
    "natural_what_to": 1.0,
    "natural_what_said": 1.0,
    "natural_is": 1.5,
}
"""How likely a kind is taken where a sentence answers several."""

_SENTENCE_SHARE = 0.04
"""Statements of this share are asked for as a whole."""

_FUNCTION = word_set("""
    a an the of to in on at by for from with as is was were are be been being has had have do did
    does and or but not no nor so than then that which who whom whose what when where why how he she
    it they we i you him her them us me his their our my your its into upon over under about after
    before up down out off through very much many more most some any all one two can could may might
    must shall should will would there here this these those own himself herself themselves
    someone narrator writer author speaker year thing person""")


def stem(word: str) -> str:
    """A word without its ending, roughly, so that "visited" and "visit" meet."""
    if len(word) > 4:
        for ending in ("ingly", "edly", "ing", "ied", "ies", "ed", "es", "ly", "s"):
            if word.endswith(ending) and len(word) - len(ending) >= 3:
                word = word[: -len(ending)]
                break
    return word.rstrip("ey") if len(word) > 4 else word


def content(text: str) -> set[str]:
    """Stems of the words that carry meaning."""
    found = _WORD.findall(text.lower())
    return {stem(word) for word in found if word not in _FUNCTION and len(word) > 1}


def _stems(tokens: Sequence[Any]) -> set[str]:
    return content(" ".join(token.text for token in tokens))


class _Sentences:
    """Which sentences of a document hold a stem."""

    def __init__(self, text: str) -> None:
        self.spans = list(sentences(text))
        self._places: dict[str, list[int]] = defaultdict(list)
        for number, (start, end) in enumerate(self.spans):
            for found in content(text[start:end]):
                self._places[found].append(number)
        self._rare = max(3, int(len(self.spans) * _RARE))

    def rare(self, stems: set[str]) -> list[str]:
        """Those that stand in few sentences, rarest first."""
        found = [s for s in stems if 0 < len(self._places.get(s, ())) <= self._rare]
        return sorted(found, key=lambda s: (len(self._places[s]), s))

    def only(self, stems: set[str], number: int) -> bool:
        """Whether a sentence alone holds all the stems that it shares with a question."""
        shared = [self._places[s] for s in stems if number in self._places.get(s, ())]
        if not shared:
            return False
        shared.sort(key=len)
        left = set(shared[0])
        for places in shared[1:]:
            left &= set(places)
        return left == {number}


def natural_items(text: str, domain: str, quotable: Quotable) -> Iterator[Item]:
    """Up to `MOST` questions a candidate sentence, in order of the text.

    Needs spaCy: raises `RequestError` without it.
    """
    index = _Sentences(text)
    picked = list(_candidates(text, index, quotable))
    told_by, people = _narrator(text, domain), _people(text)
    docs = parse(text[start:end] for _, start, end in picked)
    for (number, start, end), doc in zip(picked, docs, strict=True):
        rng = np.random.default_rng(zlib.crc32(doc.text.encode()))
        for token in doc:
            if token.text in people:
                token.ent_type_ = "PERSON"
        found = [question for clause in clauses(doc, told_by) for question in questions(clause)]
        found += about_nouns(doc)
        asked = [q for q in found if _finds(q, q.direct, doc.text, index, number)]
        whole = (start, end) == index.spans[number]
        if whole and rng.random() < _SENTENCE_SHARE:
            yield from _sentence_item(doc, start, index, number)
        else:
            for question in _chosen(asked, rng):
                short = _finds(question, question.short, doc.text, index, number)
                yield _item(question, doc.text, start, rng, short=short)


def _chosen(asked: list[Asked], rng: np.random.Generator) -> list[Asked]:
    """Some of a sentence's questions, with different answers, rare kinds first."""
    keys = [rng.random() ** (1 / _SHARES[question.kind]) for question in asked]
    chosen: dict[tuple[int, int], Asked] = {}
    for index in sorted(range(len(asked)), key=lambda i: -keys[i]):
        chosen.setdefault(asked[index].span, asked[index])
    return list(chosen.values())[:MOST]


def _candidates(text: str, index: _Sentences, quotable: Quotable) -> Iterator[tuple[int, int, int]]:
    """Number of the sentence, start and end of statements worth parsing."""
    last = -SPACING
    for number, (first, final) in enumerate(index.spans):
        if final - last < SPACING or text[final - 1] != "." or not text[first].isupper():
            continue
        for start, end in _statements(text, first, final):
            if start - last < SPACING or not 40 <= end - start <= 240:
                continue
            said = text[start:end]
            if not _is_plain(said) or not quotable.unique(start, end):
                continue
            if len(index.rare(content(said))) >= 4:
                last = start
                yield number, start, end


def _is_plain(said: str) -> bool:
    """Whether a statement is prose that tells something by itself, and addresses nobody."""
    torn = said.count("(") != said.count(")")
    return not (torn or _FRAGMENT.match(said) or _JUNK.search(said) or _ADDRESS.search(said))


def _statements(text: str, first: int, final: int) -> Iterator[tuple[int, int]]:
    start = first
    for cut in _CUT.finditer(text, first, final):
        yield start, cut.start()
        start = cut.end()
    yield start, final


def _people(text: str) -> frozenset[str]:
    """Names that the document uses as those of people: with a title, or as they speak."""
    found = Counter(match["a"] or match["b"] for match in _PERSON.finditer(text))
    return frozenset(name for name in found if name not in _NOT_PEOPLE)


def _narrator(text: str, domain: str) -> str:
    """What "I" is called in questions about a document: a part he plays, or an invented name."""
    rng = np.random.default_rng(zlib.crc32(text[:4000].encode()))
    if rng.random() < 0.3:
        return str(words.SURNAMES[int(rng.integers(len(words.SURNAMES)))])
    roles = ("the narrator", "the writer", "the author", "the one who tells this", "he")
    return "the speaker" if domain == "speech" else roles[int(rng.integers(len(roles)))]


def _finds(question: Asked, wording: str, said: str, index: _Sentences, number: int) -> bool:
    """Whether a wording is answered by one sentence alone, and does not say the answer itself."""
    stems = content(wording)
    answer = content(said[slice(*question.span)])
    words_asked = Counter(wording.lower().split())
    clumsy = max(words_asked.values()) > 3 or not 4 <= len(wording.split()) <= 26
    given_away = bool(answer) and answer <= stems
    rare = len(index.rare(stems & content(said))) >= 2
    return rare and not clumsy and not given_away and index.only(stems, number)


def _item(question: Asked, said: str, start: int, rng: np.random.Generator, *, short: bool) -> Item:
    answer = as_answer(" ".join(said[slice(*question.span)].split()))
    wording = question.short if short and rng.random() < 0.5 else question.direct
    second = question.other if rng.random() < 0.4 else _synonyms(wording, rng)
    slots = (question.direct, second, question.gap, question.wh)
    return Item(question.kind, slots, answer, start, start + len(said))


def _sentence_item(doc: Any, start: int, index: _Sentences, number: int) -> Iterator[Item]:
    """Two things that only one sentence speaks of; the sentence is the answer."""
    if len(doc) > 34:
        return
    chunks = [list(chunk) for chunk in doc.noun_chunks if chunk.root.pos_ in ("NOUN", "PROPN")]
    named = [t for t in chunks if 2 <= len(t) <= 5 and usable(t) and index.rare(_stems(t))]
    if len(named) < 2:
        return
    slots = tuple(reworded(tokens, "he") for tokens in (named[0], named[-1]))
    stems = content(" ".join(slots))
    if len(index.rare(stems)) >= 2 and index.only(stems, number):
        text = doc.text
        yield Item("natural_sentence", slots, " ".join(text.split()), start, start + len(text))


def _synonyms(question: str, rng: np.random.Generator) -> str:
    """The question with the verb after "did", and some nouns, in other words."""
    pieces = question.rstrip("?").split(" ")
    helped = any(piece in ("did", "does", "do") for piece in pieces[:6])
    used = False
    for place, word in enumerate(pieces):
        if helped and not used and place > 1 and word in VERBS:
            pieces[place] = VERBS[word][int(rng.integers(len(VERBS[word])))]
            used = True
        elif word in NOUNS and rng.random() < 0.5:
            pieces[place] = NOUNS[word][int(rng.integers(len(NOUNS[word])))]
    return " ".join(pieces) + "?"
