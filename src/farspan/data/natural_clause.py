"""Clauses of a parsed sentence, taken apart so that any part can be asked for.

Parts of speech and dependencies are those of spaCy's English models (Penn tags, ClearNLP labels).
The way from a statement to its questions follows Heilman and Smith 2010, "Good Question!".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from farspan.data.natural_words import (
    FIRST_PERSON,
    POINTING,
    SECOND_PERSON,
    THIRD_SINGULAR,
    word_set,
)

Token = Any
"""A `spacy.tokens.Token`."""

_SUBJECTS = ("nsubj", "nsubjpass")
_AUXILIARIES = ("aux", "auxpass")
_FORBIDDEN = frozenset(
    ("dep", "parataxis", "meta", "intj", "expl", "csubj", "csubjpass", "preconj")
)
_TAKEN_ALONG = word_set("""
    dobj dative attr acomp oprd prep agent advmod npadvmod xcomp ccomp advcl prt neg pcomp
    """)


@dataclass(frozen=True)
class Part:
    """A constituent of a clause: its head word and all its tokens, in order."""

    head: Token
    tokens: tuple[Token, ...]

    @property
    def role(self) -> str:
        """How it depends on the verb."""
        return str(self.head.dep_)

    @property
    def span(self) -> tuple[int, int]:
        """Its first character and the end of its last one, in the sentence."""
        last = self.tokens[-1]
        return self.tokens[0].idx, last.idx + len(last.text)

    @property
    def text(self) -> str:
        """As it stands in the sentence."""
        low, high = self.span
        return str(self.head.doc.text[low:high])


@dataclass(frozen=True)
class Clause:
    """Subject, auxiliaries (in order, `not` among them), verb, and the parts around the verb.

    `before` stand in front of the subject, `after` behind the verb; adverbs between auxiliary and
    verb are left out of questions. `narrator` is what "I" is called.
    """

    subject: Part
    auxiliaries: tuple[Token, ...]
    verb: Token
    before: tuple[Part, ...]
    after: tuple[Part, ...]
    narrator: str

    @property
    def parts(self) -> tuple[Part, ...]:
        """All but the subject."""
        return self.before + self.after


def clauses(doc: Any, narrator: str) -> Iterator[Clause]:
    """The main clause of a parsed sentence and those joined to it, as far as they are simple."""
    roots = [token for token in doc if token.dep_ == "ROOT"]
    if len(roots) != 1 or roots[0].tag_ not in ("VBD", "VBZ", "VBP", "VBN", "VBG", "VB"):
        return
    subject: Part | None = None
    verb: Token | None = roots[0]
    while verb is not None:
        clause = _clause(verb, subject, narrator)
        if clause is not None:
            yield clause
        own = [child for child in verb.children if child.dep_ in _SUBJECTS]
        subject = part(own[0]) if len(own) == 1 else subject
        following = [c for c in verb.children if c.dep_ == "conj" and c.tag_ in ("VBD", "VBZ")]
        verb = following[0] if len(following) == 1 else None


def part(head: Token) -> Part | None:
    """A constituent without the marks at its ends; None where it is torn apart."""
    tokens = list(head.subtree)
    if tokens[-1].i - tokens[0].i + 1 != len(tokens):
        return None
    tokens = _before_aside(head, tokens)
    while tokens and (tokens[-1].is_punct or tokens[-1].is_space or tokens[-1].dep_ == "cc"):
        tokens.pop()
    while tokens and (tokens[0].is_punct or tokens[0].is_space):
        tokens.pop(0)
    return Part(head, tuple(tokens)) if tokens and head in tokens else None


def _before_aside(head: Token, tokens: list[Token]) -> list[Token]:
    """A noun phrase up to its first comma, where an aside follows: ", with great dignity,"."""
    kinds = {child.dep_ for child in head.children}
    if head.pos_ not in ("NOUN", "PROPN") or kinds & {"conj", "cc"} or head.ent_type_ == "DATE":
        return tokens
    ends = [i for i, t in enumerate(tokens) if t.text in (",", "(") and t.i > head.i]
    if not ends or any(token.dep_ == "conj" for token in tokens[ends[0] :]):
        return tokens
    return tokens[: ends[0]]


def _clause(verb: Token, inherited: Part | None, narrator: str) -> Clause | None:
    children = list(verb.children)
    if any(child.dep_ in _FORBIDDEN for child in children):
        return None
    own = [child for child in children if child.dep_ in _SUBJECTS]
    subject = part(own[0]) if own else inherited
    auxiliaries = [c for c in children if c.dep_ in (*_AUXILIARIES, "neg") and c.i < verb.i]
    if subject is None or len(own) > 1 or not _finite(verb, auxiliaries):
        return None
    if verb.tag_ == "VBP" and subject.head.lower_ in ("he", "she", "it"):
        return None  # tagged wrongly
    if own and (own[0].i > verb.i or any(a.i < own[0].i for a in auxiliaries)):
        return None  # inverted: a question, or "There came ..."
    if any(token.dep_ in ("relcl", "advcl", "ccomp") for token in subject.tokens):
        return None
    before, after = [], []
    for child in children:
        if child.dep_ not in _TAKEN_ALONG or child in auxiliaries:
            continue
        found = part(child)
        if found is None or not _sound(found):
            if child.dep_ in ("dobj", "attr", "acomp", "oprd", "dative", "prt", "neg", "xcomp"):
                return None  # the verb needs it
            continue
        if child.i > verb.i:
            after.append(found)
        elif own and child.i < subject.tokens[0].i and child.dep_ != "ccomp":
            before.append(found)
    if any(child.dep_ == "ccomp" and child.i < verb.i for child in children):
        return None  # "... , he said": reported speech put first
    if any(found.role == "ccomp" and found.tokens[0].dep_ != "mark" for found in after):
        return None  # speech without "that", or two statements run together
    return Clause(subject, tuple(auxiliaries), verb, tuple(before), tuple(after), narrator)


def _finite(verb: Token, auxiliaries: Sequence[Token]) -> bool:
    """Whether the verb, with its auxiliaries, makes a statement in a tense that can be asked."""
    firsts = [token for token in auxiliaries if token.dep_ != "neg"]
    if any(token.lemma_ == "not" or token.dep_ == "neg" for token in auxiliaries):
        return False
    if not firsts:
        return verb.tag_ in ("VBD", "VBZ", "VBP")
    return firsts[0].tag_ in ("VBD", "VBZ", "VBP", "MD") and not firsts[0].text.startswith("'")


def _sound(found: Part) -> bool:
    return not any(token.text in ("?", "!", "“", "”", '"', ";", ":") for token in found.tokens)


def usable(tokens: Sequence[Token]) -> bool:
    """Whether words can be asked with outside their sentence: none that points elsewhere."""
    words = [(token.lower_, token) for token in tokens]
    return not any(
        word in SECOND_PERSON or (word in POINTING and token.dep_ not in ("mark", "expl"))
        for word, token in words
    )


def reworded(tokens: Sequence[Token], narrator: str, *, subject: bool = False) -> str:
    """Words as a question has them: first persons turned into third, sentence capital undone."""
    pieces = []
    for token in tokens:
        word = token.text
        low = word.lower()
        if low in FIRST_PERSON and token.tag_ in ("PRP", "PRP$"):
            word = FIRST_PERSON[low].format(narrator=narrator if subject else "he")
            if low == "i" and subject:
                word = narrator
        elif token.i == 0 and word[0].isupper() and token.pos_ != "PROPN" and low != "i":
            word = word[0].lower() + word[1:]
        pieces.append(word + token.whitespace_)
    return " ".join("".join(pieces).split())


def is_first(subject: Part) -> bool:
    """Whether the subject is the narrator."""
    return len(subject.tokens) == 1 and subject.head.lower_ == "i"


def auxiliary_form(token: Token, subject: Part) -> str:
    """An auxiliary or form of "be" as it agrees with the subject that a question names."""
    word = str(token.lower_)
    return THIRD_SINGULAR.get(word, word) if is_first(subject) else word


def third_person(verb: Token) -> str:
    """The present form that goes with "he"."""
    base = str(verb.lemma_)
    if base in ("be", "have"):
        return {"be": "is", "have": "has"}[base]
    if base.endswith(("s", "sh", "ch", "x", "z", "o")):
        return base + "es"
    return base[:-1] + "ies" if base.endswith("y") and base[-2] not in "aeiou" else base + "s"
