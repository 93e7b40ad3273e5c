"""Where sentences begin and end in plain text, hard-wrapped or not."""

from __future__ import annotations

import re

_SPEAKER = r"[\"'”’»)\]*_]*"
_END = re.compile(rf"(?P<mark>[.!?…]){_SPEAKER}(?=\s)|\n")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“‘])(?:[A-Z]|Mr|Mrs|Ms|Dr|St|Mt|Prof|Rev|Hon|Capt|Col|Gen|Lt|Sgt|Jr|Sr|No|Nos"
    r"|Vol|vol|Fig|fig|Sec|sec|Ch|ch|pp?|vs|cf|ca|e\.g|i\.e|viz|al|approx)$"
)
_ITEM = re.compile(r"[ \t]*(?:[-*#>|•]|\d+[.)])")
_WRAPPED = range(45, 101)
"""Characters of a line that may go on in the next one."""


def sentence_spans(text: str, start: int, stop: int) -> list[tuple[int, int]]:
    """Spans of the sentences in `text[start:stop]`, in order, without surrounding white space.

    The first and last are cut where the range ends. Line ends count unless the line looks
    hard-wrapped; headings and list items are sentences of their own.
    """
    spans, first = [], start
    for match in _END.finditer(text, start, stop):
        if _ends_sentence(text, match, start, stop):
            spans.append(_stripped(text, first, match.end()))
            first = match.end()
    spans.append(_stripped(text, first, stop))
    return [(a, b) for a, b in spans if a < b]


def _ends_sentence(text: str, match: re.Match[str], start: int, stop: int) -> bool:
    place = match.start()
    if match.group() == "\n":
        line_start = text.rfind("\n", start, place) + 1 or start
        line = text[line_start:place].rstrip()
        after = text[match.end() : min(match.end() + 20, stop)]
        goes_on = len(line) in _WRAPPED and bool(after.strip(" \t\r")[:1].strip())
        return not goes_on or _ITEM.match(after) is not None
    following = text[match.end() : min(match.end() + 20, stop)].lstrip()
    if following[:1].islower():
        return False
    return match["mark"] != "." or not _ABBREVIATION.search(text, max(start, place - 8), place)


def _stripped(text: str, start: int, stop: int) -> tuple[int, int]:
    piece = text[start:stop]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
