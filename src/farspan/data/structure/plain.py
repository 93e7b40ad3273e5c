"""Headings of plain text and Markdown."""

from __future__ import annotations

import re

from farspan.data.structure.levels import Heading

_ATX = re.compile(r"^(#{1,6})[ \t]+(\S.*?)[ \t]*#*[ \t]*$", re.M)
_UNDERLINED = re.compile(r"^(\S[^\n]*)\n(=+|-+)[ \t]*$", re.M)
_FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.M | re.S)
_NUMBER = r"(?:[IVXLC]+|\d+|[A-Z][a-z]+|[A-Z]+)"
_CHAPTER = re.compile(
    rf"^[ \t]*((?:PART|BOOK|VOLUME|Part|Book|Volume)|(?:CHAPTER|Chapter|ACT|Act|SCENE|Scene"
    rf"|LETTER|Letter|SECTION|Section)) {_NUMBER}\.?(?:[.:\- —–]+[^\n]*)?[ \t]*$",
    re.M,
)
_OUTER = ("part", "book", "volume", "act")


def markdown_headings(text: str) -> list[Heading]:
    """Headings with hash marks or underlined, outside fenced code."""
    fenced = [match.span() for match in _FENCE.finditer(text)]
    found = [
        Heading(match.start(), len(match[1]), match[2])
        for match in _ATX.finditer(text)
        if not any(a <= match.start() < b for a, b in fenced)
    ]
    found += [
        Heading(match.start(), 1 if match[2][0] == "=" else 2, match[1].strip())
        for match in _UNDERLINED.finditer(text)
        if len(match[2]) >= 3 and not any(a <= match.start() < b for a, b in fenced)
    ]
    return sorted(found, key=lambda heading: heading.start)


def plain_headings(text: str) -> list[Heading]:
    """Lines such as "CHAPTER IV. The Fen Ferry"; Markdown's if there are any."""
    marked = markdown_headings(text)
    if marked:
        return marked
    return [
        Heading(match.start(1), 1 if match[1].lower() in _OUTER else 2, match[0].strip())
        for match in _CHAPTER.finditer(text)
    ]
