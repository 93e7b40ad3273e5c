"""Wordings around the questions of `natural`: slots are the question, another wording of it,
the statement without its answer, and the question word."""

from __future__ import annotations

from farspan.data.relations import lines

_ANY = """{0}
    {0}
    {0}
    {0}
    {1}
    {1}
    {1}
    {1}
    {1}
    Tell me {3} {2}.
    Do you know {3} {2}?
    According to the document, {0}
    According to the text, {1}
    I want to know {3} {2}.
    Please find out {3} {2}.
    Can you tell me {3} {2}?
    From the document: {1}"""


def _with(text: str) -> tuple[str, ...]:
    return lines(f"{_ANY}\n{text}")


NATURAL_TEMPLATES: dict[str, tuple[str, ...]] = {
    "natural_who": _with(
        """Name the one who {2}.
        Which person {2}?
        Somebody {2}. Who?
        Who is it that {2}?"""
    ),
    "natural_what_did": _with(
        """Something {2}. What?
        Name what {2}.
        Which thing {2}?"""
    ),
    "natural_whom": _with(
        """Name the one whom {2}.
        Who was it that {2}?
        Which person is meant: {2} ...?"""
    ),
    "natural_what": _with(
        """What is it that {2}?
        What was it that {2}?
        Name what {2}."""
    ),
    "natural_where": _with(
        """What is the place where {2}?
        Name the place where {2}.
        The document says that {2}. Where?
        In what place is it said that {2}?"""
    ),
    "natural_when": _with(
        """At what time is it said that {2}?
        The document says that {2}. When?
        When was it that {2}?"""
    ),
    "natural_why": _with(
        """What is the reason that {2}?
        For what reason is it said that {2}?
        The document says that {2}. Why?
        Why is it that {2}?"""
    ),
    "natural_how_many": _with(
        """Give the number: {1}
        The number, please: {0}"""
    ),
    "natural_whose": _with(
        """Give the name: {1}
        Name the owner: {0}"""
    ),
    "natural_with": _with(
        """The document says that {2}. {3}?
        Find in the text {3} {2}."""
    ),
    "natural_what_to": _with(
        """What is it that {2}?
        The text tells what {2}. What is it?"""
    ),
    "natural_what_said": _with(
        """What is it that {2}?
        The text tells what {2}. What is it?"""
    ),
    "natural_is": _with(
        """Look up {3} {2}.
        Look it up: {1}"""
    ),
    "natural_sentence": lines(
        """What is said about {0} and {1}?
        What does the text say of {0} together with {1}?
        Which sentence mentions {0} and {1}?
        Quote the sentence about {0} and {1}.
        What do we read about {0} and {1}?
        Find the sentence on {0} and {1}.
        What does the document tell about {0} and {1}?
        In which sentence do {0} and {1} come up together?
        Copy the sentence that speaks of {0} and {1}.
        What connects {0} with {1} in the text? Quote the sentence."""
    ),
}
"""At least ten wordings a kind; those that repeat are taken more often."""
