"""Word documents (.docx): paragraphs, tables and headings in their order."""

from __future__ import annotations

import io
import re
from typing import Any

from farspan.data.structure.levels import Heading
from farspan.data.structure.read import Content, UnreadableError
from farspan.errors import RequestError

_OLD = b"\xd0\xcf\x11\xe0"
"""How older and encrypted Office files begin."""

_BETWEEN = "\n\n"


def read(data: bytes, name: str) -> Content:
    """A document. Raises `UnreadableError` for broken and encrypted ones."""
    try:
        from docx import Document
    except ImportError as error:
        raise RequestError(
            "reading .docx needs python-docx; pip install 'farspan[documents]'"
        ) from error
    if data.startswith(_OLD):
        raise UnreadableError(name, "is encrypted, or an old .doc", "save it as .docx without one")
    try:
        document = Document(io.BytesIO(data))
        return _read(document)
    except Exception as error:  # the library raises errors of any kind for broken files
        raise UnreadableError(name, f"is no .docx that can be read ({error})") from error


def _read(document: Any) -> Content:
    pieces: list[str] = []
    headings: list[Heading] = []
    at = 0
    for block in document.iter_inner_content():
        text = _table(block) if hasattr(block, "rows") else block.text.strip()
        if not text:
            continue
        depth = 0 if hasattr(block, "rows") else _depth(block.style.name if block.style else "")
        if depth:
            headings.append(Heading(at, depth, " ".join(text.split())))
        pieces.append(text)
        at += len(text) + len(_BETWEEN)
    title = document.core_properties.title or ""
    return Content(_BETWEEN.join(pieces), tuple(headings), title)


def _table(table: Any) -> str:
    return "\n".join(
        " | ".join(cell.text.strip().replace("\n", " ") for cell in row.cells) for row in table.rows
    )


def _depth(style: str) -> int:
    """How deep a heading a style makes; 0 for other text."""
    if style == "Title":
        return 1
    match = re.fullmatch(r"Heading (\d)", style)
    return int(match[1]) if match else 0
