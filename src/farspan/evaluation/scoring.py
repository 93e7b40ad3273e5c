"""How replies are scored, each metric as its benchmark defines it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from farspan.evaluation.samples import Question


def string_match_all(reply: str, question: Question) -> float:
    """RULER: the share of answers that occur in the reply, whatever the case."""
    said = reply.lower()
    return sum(answer.lower() in said for answer in question.answers) / len(question.answers)


def string_match_part(reply: str, question: Question) -> float:
    """RULER's question answering: 1 if any of the answers occurs in the reply."""
    said = reply.lower()
    return float(any(answer.lower() in said for answer in question.answers))


def first_number(reply: str, question: Question) -> float:
    """1 if the first number in the reply is the answer."""
    found = re.search(r"\d+", reply)
    return float(found is not None and found.group() == question.answers[0])


def babilong_match(reply: str, question: Question) -> float:
    """BABILong: the labels in the first sentence, less those of the question, are the answer.

    `question.about["labels"]` are all answers of the task; an answer of several labels is joined
    by commas. Labels count as whole words where one contains another, as "none" does "one".
    """
    said = reply.lower().split(".")[0].split("<context>")[0].split("<example>")[0]
    labels = {label.lower() for label in question.about["labels"]}
    whole = any(a != b and a in b for a in labels for b in labels)

    def mentioned(text: str) -> set[str]:
        return {x for x in labels if (_has_words(text, x) if whole else x in text)}

    found = mentioned(said) - mentioned(question.about["asks"].lower())
    target = question.answers[0].lower()
    if "," in target and len(target) > 3:
        return float(found == set(target.split(",")))
    return float(found == {target})


def mrcr_ratio(reply: str, question: Question) -> float:
    """OpenAI's MRCR: 0 without the prefix, else how alike the rest and the answer are."""
    prefix = question.about["prefix"]
    if not reply.startswith(prefix):
        return 0.0
    given, wanted = reply.removeprefix(prefix), question.answers[0].removeprefix(prefix)
    return SequenceMatcher(None, given, wanted).ratio()


def final_list_f1(reply: str, question: Question) -> float:
    """GraphWalks: F1 of the set in brackets behind "Final Answer:" in the last line."""
    line = reply.strip().split("\n")[-1]
    found = re.search(r"Final Answer: ?\[(.*)\]", line)
    if found is None:
        return 0.0
    given = {item.strip() for item in found[1].split(",") if item.strip()}
    wanted = set(question.answers)
    if not given or not wanted:
        return float(given == wanted)
    right = len(given & wanted)
    return 2 * right / (len(given) + len(wanted))


def whole_words(reply: str, question: Question) -> float:
    """1 if one of the answers stands in the reply as whole words, whatever the case."""
    return float(any(_has_words(reply, answer) for answer in question.answers))


def _has_words(text: str, wanted: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text, re.IGNORECASE) is not None


def joined(words: Sequence[str]) -> str:
    """Words in a row, as RULER joins keys: a, b, and c."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + ", and " + words[-1]
