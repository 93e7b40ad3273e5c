"""PDF files: the text of their pages, with the headings of their outline."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

from farspan.data.structure.levels import Heading
from farspan.data.structure.read import Content, UnreadableError
from farspan.errors import RequestError

_BETWEEN = "\n\n"


def read(data: bytes, name: str) -> Content:
    """A file's pages. Raises `UnreadableError` for broken, encrypted and scanned ones."""
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise RequestError("reading PDF needs pypdf; pip install 'farspan[documents]'") from error
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableError(name, "is an encrypted PDF", "remove its password first")
        pages = [(page.extract_text() or "").strip() for page in reader.pages]
        marks = list(_outline(reader, reader.outline, 1))
        title = str(reader.metadata.title or "") if reader.metadata else ""
    except UnreadableError:
        raise
    except Exception as error:  # the library raises errors of any kind for broken files
        raise UnreadableError(name, f"is a PDF that cannot be read ({error})") from error
    if not any(pages):
        raise UnreadableError(name, "is a PDF without text, perhaps scanned", "run OCR on it first")
    starts = [0]
    for text in pages:
        starts.append(starts[-1] + len(text) + len(_BETWEEN))
    text = _clean(_BETWEEN.join(pages))
    headings = [Heading(starts[page], depth, title) for page, depth, title in marks]
    return Content(text, tuple(sorted(headings, key=lambda x: (x.start, x.depth))), title.strip())


def _outline(reader: Any, items: list[Any], depth: int) -> Iterator[tuple[int, int, str]]:
    """Page, depth and title of every entry of an outline."""
    for item in items:
        if isinstance(item, list):
            yield from _outline(reader, item, depth + 1)
            continue
        page = reader.get_destination_page_number(item)
        if page is not None and page >= 0 and item.title:
            yield page, depth, str(item.title).strip()


def _clean(text: str) -> str:
    """Half characters and zero bytes, which fonts without a table yield, as marks of a gap."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
