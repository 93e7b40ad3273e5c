"""What a relation of invented facts is: statements, and questions in several directions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ask:
    """A direction of asking: `questions` name all slots they need but `target`, the answer.

    `sentence` answers in a full sentence, `short` in a phrase.
    """

    target: str
    questions: tuple[str, ...]
    sentence: str
    short: str


@dataclass(frozen=True)
class Relation:
    """A kind of fact. `slots` maps the names in the templates to pools of `facts.POOLS`."""

    name: str
    slots: dict[str, str]
    statements: tuple[str, ...]
    asks: tuple[Ask, ...]


def lines(text: str) -> tuple[str, ...]:
    """The non-empty lines of a text, stripped."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def ask(target: str, sentence: str, questions: str, short: str = "") -> Ask:
    """An `Ask` from one question a line; the short answer is the bare value by default."""
    return Ask(target, lines(questions), sentence, short or f"{{{target}}}")


def relation(name: str, slots: str, statements: str, *asks: Ask) -> Relation:
    """A `Relation` from "slot=pool slot=pool" and one statement a line."""
    pools = dict(pair.split("=") for pair in slots.split())
    return Relation(name, pools, lines(statements), asks)
