"""Questions about a clause's parts: who, what, where, when, why, how many, whose, with whom."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from farspan.data.natural_clause import (
    Clause,
    Part,
    Token,
    auxiliary_form,
    is_first,
    part,
    reworded,
    third_person,
    usable,
)
from farspan.data.natural_words import MEASURES, PEOPLE, PLACES, TIMES, word_set

MAX_WORDS = 15
"""Words of a clause that a question names, about."""

MAX_ANSWER = 8
MAX_CLAUSE_ANSWER = 14
"""Words of an answer that is a phrase, and of one that is a clause."""

_NEEDED = word_set("dobj attr acomp oprd dative prt xcomp agent")
_YEAR = re.compile(r"1[0-9]{3}|20[0-2][0-9]")
_PEOPLE_ENTITIES = ("PERSON", "NORP")
_PLACE_ENTITIES = ("GPE", "LOC", "FAC")
_TIME_ENTITIES = ("DATE", "TIME")
_WHERE = word_set("""
    in at on near under beside behind by to into from through upon between above below within
    outside toward towards inside beyond across along round around over""")
_BARE_WHERE = ("in", "at", "on", "upon", "to", "into", "within", "inside", "from")
_WHEN = word_set("in on at during before after since until till towards toward by about")
_BARE_WHEN = ("in", "on", "at", "during")
_WITH_WHOM = word_set("with to for from about against by")
_WITH_WHAT = word_set("with about against into")
_SAYING = word_set("""
    say think believe know declare announce suppose fear hope claim report remark observe feel
    conclude discover learn hear find remember swear promise confess argue maintain admit state
    suggest explain understand""")
_SPOKEN = (
    "for example|for instance|at last|at length|of course|at once|in fact|at all|at least|as usual"
    "|on the other hand|in turn|certainly|possibly|probably|in short|at first|by the way"
    "|as a result|in general|in particular|to be sure|after all|in any case"
)
_SPOKEN_OF_COURSE = frozenset(_SPOKEN.split("|"))
_DENIALS = word_set(
    "hardly scarcely barely seldom rarely never neither nor not no nothing nobody none"
)
_WEAKER = word_set("almost nearly only")


@dataclass(frozen=True)
class Asked:
    """A question without its first capital, as `wh` and the rest of it.

    `gap` is the statement with the answer left out: "tell me {wh} {gap}". `other` is a second
    wording, `short` names no more than the verb needs. `span` (characters of the sentence) is the
    answer, whose kind of asking is `kind`.
    """

    kind: str
    wh: str
    direct: str
    other: str
    short: str
    gap: str
    span: tuple[int, int]


def questions(clause: Clause) -> Iterator[Asked]:
    """What a clause can be asked about, each part once."""
    if _half_true(clause) or not all(usable(p.tokens) for p in clause.parts if p.role in _NEEDED):
        return
    yield from _of_subject(clause)
    if not usable(clause.subject.tokens) or len(clause.subject.tokens) > 9:
        return
    for found in clause.parts:
        wanted = _wanted(clause, found)
        if wanted is not None:
            kind, wh, answer, keep = wanted
            yield _ask(clause, kind, wh, found, answer, keep)
        if found.role in ("dobj", "prep"):
            yield from _inside(clause, found)


def _half_true(clause: Clause) -> bool:
    """Whether the statement is denied or weakened, so that a question would assert too much."""
    told = [t.lower_ for found in (clause.subject, *clause.parts) for t in found.tokens]
    beside = [child.lower_ for child in clause.verb.children]
    return bool(_DENIALS.intersection(told + beside) or _WEAKER.intersection(beside))


def _rest(
    clause: Clause, without: Part | None, keep: str = "", *, needed_only: bool = False
) -> list[str]:
    """The other parts as a question names them, those in front moved to the end."""
    texts: list[str] = []
    n_words = len(clause.subject.tokens) + 2
    for found in clause.after + clause.before:
        if found is without:
            if keep:
                texts.append(keep)
            continue
        size = len(found.tokens)
        if found.role not in _NEEDED:
            plain = _can_follow(found) and (size > 1 or found.head.lower_.endswith("ly"))
            spoken = found.text.lower() in _SPOKEN_OF_COURSE
            if needed_only or not plain or spoken or n_words + size > MAX_WORDS:
                continue
        n_words += size
        texts.append(reworded(found.tokens, clause.narrator))
    return texts


def _can_follow(found: Part) -> bool:
    """Whether a part that the verb does not need may stand in a question as it is."""
    first, head = found.tokens[0], found.head
    bare = head.tag_ in ("VBD", "VBZ", "VBP") and first.pos_ not in ("SCONJ", "ADP", "ADV")
    return usable(found.tokens) and not bare and all(t.lower_ != "am" for t in found.tokens)


def _subject(clause: Clause) -> str:
    return reworded(clause.subject.tokens, clause.narrator, subject=True)


def _verb_group(clause: Clause) -> tuple[str, str, str]:
    """The word that goes before the subject in a question, the verb after it, the whole group."""
    verb, subject = clause.verb, clause.subject
    if clause.auxiliaries:
        first, *others = [auxiliary_form(token, subject) for token in clause.auxiliaries]
        later = " ".join([*others, verb.text])
        return first, later, f"{first} {later}"
    if verb.lemma_ == "be":
        form = auxiliary_form(verb, subject)
        return form, "", form
    singular = is_first(subject) or verb.tag_ == "VBZ"
    if verb.tag_ == "VBD":
        return "did", str(verb.lemma_), str(verb.text)
    stated = third_person(verb) if singular else str(verb.text)
    return ("does" if singular else "do"), str(verb.lemma_), stated


def _join(*pieces: str) -> str:
    return " ".join(piece for piece in pieces if piece)


def _ask(
    clause: Clause, kind: str, wh: str, asked: Part, span: tuple[int, int], keep: str = ""
) -> Asked:
    """A question for a part that is not the subject."""
    subject = _subject(clause)
    before, later, stated = _verb_group(clause)
    rest = _rest(clause, asked, keep)
    direct = _join(wh, before, subject, later, *rest) + "?"
    other = _other(clause, wh, asked, before, subject, later, rest)
    least = _rest(clause, asked, keep, needed_only=True)
    short = _join(wh, before, subject, later, *least) + "?"
    return Asked(kind, wh, direct, other, short, _join(subject, stated, *rest), span)


def _other(
    clause: Clause,
    wh: str,
    asked: Part,
    before: str,
    subject: str,
    later: str,
    rest: Sequence[str],
) -> str:
    """The question with its order changed: a preposition left behind, or a phrase put in front."""
    words = wh.split()
    if len(words) == 2 and words[1] in ("whom", "what") and words[0] not in ("how", "in", "at"):
        plain = "who" if words[1] == "whom" else "what"
        return _join(plain, before, subject, later, *rest, words[0]) + "?"
    loose = [p for p in clause.after if p.role == "prep" and p is not asked]
    if loose and loose[-1].head.lower_ in ("in", "at", "on", "after", "before", "during"):
        fronted = reworded(loose[-1].tokens, clause.narrator)
        if fronted in rest:
            others = [text for text in rest if text != fronted]
            return f"{fronted}, {_join(wh, before, subject, later, *others)}?"
    return _join(wh, before, subject, later, *rest) + "?"


def _wanted(clause: Clause, found: Part) -> tuple[str, str, tuple[int, int], str] | None:
    """Kind, question word, answer's span and what stays, for a part; None if none is asked."""
    role, head = found.role, found.head
    if role == "dobj" and _phrase(found) and head.lemma_.lower() not in TIMES:
        if _is_person(head):
            return "natural_whom", "whom", found.span, ""
        return "natural_what", "what", found.span, ""
    if role in ("prep", "agent"):
        return _by_preposition(clause, found)
    if role == "npadvmod" and _phrase(found):
        measure = MEASURES.get(head.lemma_)
        if measure and any(c.dep_ == "nummod" or c.lower_ in ("a", "an") for c in head.children):
            return "natural_when", measure, found.span, ""
        if head.ent_type_ in _TIME_ENTITIES or head.lemma_.lower() in TIMES:
            return "natural_when", "when", found.span, ""
    if role == "advcl" and 3 <= len(found.tokens) <= MAX_CLAUSE_ANSWER:
        return _by_clause(found)
    if role == "xcomp" and head.tag_ == "VB" and 3 <= len(found.tokens) <= MAX_ANSWER + 2:
        to = found.tokens[0].lower_ == "to" and head.lemma_ not in ("be", "have")
        if to and clause.verb.lemma_ not in ("have", "be", "seem", "appear"):
            return "natural_what_to", "what", found.span, "to do"
    if role == "ccomp" and clause.verb.lemma_ in _SAYING:
        tokens = found.tokens[1:] if found.tokens[0].lower_ == "that" else found.tokens
        if 4 <= len(tokens) <= MAX_CLAUSE_ANSWER and found.tokens[0].dep_ == "mark":
            return "natural_what_said", "what", Part(head, tokens).span, ""
    if role == "attr" and clause.verb.lemma_ == "be" and _phrase(found) and len(found.tokens) > 1:
        wh = "who" if _is_person(clause.subject.head) else "what"
        return "natural_is", wh, found.span, ""
    return None


def _by_preposition(clause: Clause, found: Part) -> tuple[str, str, tuple[int, int], str] | None:
    objects = [child for child in found.head.children if child.dep_ == "pobj"]
    if len(objects) != 1 or (found.tokens[0] is not found.head and found.tokens[0] != found.head):
        return None
    noun, word = objects[0], str(found.head.lower_)
    inner = Part(noun, found.tokens[1:])
    if _YEAR.fullmatch(inner.text) and word == "in":
        return "natural_when", "in what year", inner.span, ""
    if not _phrase(inner):
        return None
    lemma, entity = str(noun.lemma_).lower(), noun.ent_type_
    if word in _WHEN and (entity in _TIME_ENTITIES or lemma in TIMES):
        return "natural_when", "when", (inner if word in _BARE_WHEN else found).span, ""
    if word in _WHERE and (entity in _PLACE_ENTITIES or lemma in PLACES):
        wh = "from where" if word == "from" else "where"
        return "natural_where", wh, (inner if word in _BARE_WHERE else found).span, ""
    if entity in (*_TIME_ENTITIES, *_PLACE_ENTITIES) or lemma in PLACES | TIMES:
        return None
    alike = sum(p.role == "prep" and p.head.lower_ == word for p in clause.parts)
    person = _is_person(noun)
    if found.role == "agent" or (
        found in clause.after and word in (_WITH_WHOM if person else _WITH_WHAT) and alike == 1
    ):
        return "natural_with", f"{word} {'whom' if person else 'what'}", inner.span, ""
    return None


def _by_clause(found: Part) -> tuple[str, str, tuple[int, int], str] | None:
    first = str(found.tokens[0].lower_)
    if first == "because" or (first == "to" and found.head.tag_ == "VB"):
        return "natural_why", "why", found.span, ""
    has_subject = any(child.dep_ in ("nsubj", "nsubjpass") for child in found.head.children)
    if first in ("when", "after", "before", "until") and has_subject:
        return "natural_when", "when", found.span, ""
    return None


def _of_subject(clause: Clause) -> Iterator[Asked]:
    subject, verb = clause.subject, clause.verb
    group = [*clause.auxiliaries, verb]
    if group[0].tag_ == "VBP" and group[0].lemma_ not in ("be", "have"):
        return
    stated = " ".join(token.text for token in group)
    numbers, owner = _number(subject), _owner(subject)
    if numbers is not None:
        wh = f"how many {numbers[1]}"
        yield _ask_subject(clause, "natural_how_many", wh, stated, numbers[0])
    elif _phrase(subject):
        if not any(found.role == "attr" for found in clause.parts):
            singular = {"were": "was", "are": "is", "have": "has"}
            first, *later = stated.split()
            stated = _join(singular.get(first, first), *later)
        if _is_person(subject.head):
            yield _ask_subject(clause, "natural_who", "who", stated, subject.span)
        else:
            yield _ask_subject(clause, "natural_what_did", "what", stated, subject.span)
    if owner is not None:
        plain = " ".join(token.text for token in group)
        yield _ask_subject(clause, "natural_whose", f"whose {owner[1]}", plain, owner[0])


def _ask_subject(clause: Clause, kind: str, wh: str, stated: str, span: tuple[int, int]) -> Asked:
    gap = _join(stated, *_rest(clause, None))
    direct = f"{wh} {gap}?"
    short = _join(wh, stated, *_rest(clause, None, needed_only=True)) + "?"
    wider = {"who": "which person", "what": "which thing"}.get(wh, wh)
    return Asked(kind, wh, direct, f"{wider} {gap}?", short, gap, span)


def about_nouns(doc: Any) -> Iterator[Asked]:
    """Who or what a name in apposition is, and what a thing is called."""
    for token in doc:
        if token.dep_ == "appos" and token.head.pos_ == "PROPN" and token.pos_ == "NOUN":
            yield from _apposition(token)
        if token.dep_ == "oprd" and token.head.dep_ == "acl" and token.pos_ == "PROPN":
            yield from _calling(token)


def _apposition(noun: Token) -> Iterator[Asked]:
    named, said = noun.head, part(noun)
    if said is None or not 2 <= len(said.tokens) <= MAX_ANSWER or "," in said.text:
        return
    name = [t for t in named.subtree if t.i <= named.i]
    if not usable(said.tokens) or said.tokens[0].tag_ not in ("DT", "PRP$") or len(name) > 5:
        return
    wh = "who" if _is_person(named) or _is_person(noun) else "what"
    called = reworded(name, "he")
    direct = f"{wh} is {called}?"
    other = f"what does the text call {called}?"
    yield Asked("natural_is", wh, direct, other, direct, f"{called} is", said.span)
    if said.tokens[0].lower_ == "the":
        about = reworded(said.tokens, "he")
        span = Part(named, tuple(name)).span
        direct = f"{wh} is {about}?"
        other = f"what is the name of {about}?"
        yield Asked("natural_is", wh, direct, other, direct, f"{about} is", span)


def _calling(name: Token) -> Iterator[Asked]:
    verb, noun, found = name.head, name.head.head, part(name)
    if verb.lemma_ not in ("call", "name") or noun.pos_ != "NOUN" or found is None:
        return
    thing = [t for t in noun.subtree if t.i < verb.i and not t.is_punct]
    if len(found.tokens) > MAX_ANSWER or not usable(thing) or not 2 <= len(thing) <= 9:
        return
    about = re.sub(r"^an? ", "the ", reworded(thing, "he"))
    direct = f"what is {about} called?"
    other = f"what is the name of {about}?"
    yield Asked("natural_is", "what", direct, other, direct, f"{about} is called", found.span)


def _inside(clause: Clause, found: Part) -> Iterator[Asked]:
    """How many of a thing, and whose it is, inside an object or after a preposition."""
    lead = ""
    inner = found
    if found.role == "prep":
        objects = [child for child in found.head.children if child.dep_ == "pobj"]
        if len(objects) != 1 or len(found.tokens) < 2:
            return
        lead, inner = str(found.head.lower_), Part(objects[0], found.tokens[1:])
    measure = inner.head.lemma_.lower() in TIMES or inner.head.ent_type_ in _TIME_ENTITIES
    numbers = None if measure else _number(inner)
    if numbers is not None:
        wh = _join(lead, "how many", numbers[1])
        yield _ask(clause, "natural_how_many", wh, found, numbers[0])
    owner = _owner(inner)
    if owner is not None:
        yield _ask(clause, "natural_whose", _join(lead, "whose", owner[1]), found, owner[0])


def _number(found: Part) -> tuple[tuple[int, int], str] | None:
    """The span of the number of a noun phrase, and the phrase without it; None without any."""
    counts = [child for child in found.head.children if child.dep_ == "nummod"]
    if len(counts) != 1 or found.head.tag_ not in ("NNS", "NNPS") or counts[0].i > found.head.i:
        return None
    number = Part(counts[0], tuple(counts[0].subtree))
    if number.head.lower_ in ("one", "1") or number.head.like_num is False:
        return None
    noun = [token for token in found.tokens if token.i > number.tokens[-1].i]
    if not noun or noun[0].is_punct or not usable(noun) or len(noun) > 6:
        return None
    return number.span, reworded(noun, "he")


def _owner(found: Part) -> tuple[tuple[int, int], str] | None:
    """The span of the named owner of a noun phrase, and the phrase without it."""
    owners = [child for child in found.head.children if child.dep_ == "poss"]
    if len(owners) != 1 or owners[0].pos_ != "PROPN":
        return None
    tokens = [token for token in owners[0].subtree if token.tag_ != "POS"]
    thing = [token for token in found.tokens if token.i > tokens[-1].i and token.tag_ != "POS"]
    if not thing or len(thing) > 6 or not usable(thing) or found.tokens[0] != tokens[0]:
        return None
    return Part(owners[0], tuple(tokens)).span, reworded(thing, "he")


def _phrase(found: Part) -> bool:
    """Whether a noun phrase is an answer by itself: short, no pronoun, nothing pointing away."""
    head = found.head
    return (
        (head.pos_ == "NOUN" or (head.pos_ == "PROPN" and head.ent_type_ != ""))
        and len(found.tokens) <= MAX_ANSWER
        and usable(found.tokens)
        and not any(token.dep_ in ("relcl", "advcl") for token in found.tokens)
        and ("," not in found.text or head.ent_type_ in _TIME_ENTITIES)
        and not head.lower_.startswith(("thing", "way", "kind", "sort", "part", "sake", "place"))
    )


def _is_person(head: Token) -> bool:
    if head.pos_ == "PROPN":
        return head.ent_type_ in _PEOPLE_ENTITIES or head.lower_ in PEOPLE
    return head.lower_ in PEOPLE or head.lemma_.lower() in PEOPLE
