"""What all tasks produce: pieces to insert into a document, and questions with answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

T = TypeVar("T")


class Dialogue(Protocol):
    """The strings of `farspan.models.chat.DialogueFormat` around document, question, answer."""

    @property
    def before_document(self) -> str:
        """Opens the turn that holds the document."""
        ...

    @property
    def before_question(self) -> str:
        """Closes the document and opens the first question."""
        ...

    @property
    def before_answer(self) -> str:
        """Closes a question and opens its answer."""
        ...

    @property
    def after_answer(self) -> str:
        """Closes an answer."""
        ...

    @property
    def before_next_question(self) -> str:
        """Opens a later question."""
        ...


@dataclass(frozen=True)
class Turn:
    """One question with its answer, as text. `kind` names the task for counting."""

    kind: str
    question: str
    answer: str


@dataclass(frozen=True)
class Inserted:
    """Statements to insert into a document and the turns that ask for them.

    `statements` are whole sentences without surrounding white space. Every turn can be answered
    from them alone, and no other statement of the same set answers it otherwise.
    """

    statements: tuple[str, ...]
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class Item:
    """A question extracted from a document, kept as the words that fill its templates.

    `start` and `end` (characters) span the evidence. A `local` item is unique only within its
    own document, so it is not asked where several documents are joined.
    """

    kind: str
    slots: tuple[str, ...]
    answer: str
    start: int
    end: int
    local: bool = False


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options, each as likely."""
    return options[int(rng.integers(len(options)))]


def capitalised(text: str) -> str:
    """The text with its first letter in upper case; the rest is left alone."""
    return text[:1].upper() + text[1:]


def as_answer(phrase: str) -> str:
    """A phrase as a short answer: capital first, closed by a full stop if nothing closes it."""
    phrase = capitalised(phrase.strip())
    bare = phrase.rstrip("\"'”’)")
    return phrase if bare.endswith((".", "!", "?")) else phrase + "."
