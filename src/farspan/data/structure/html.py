"""HTML pages as text: blocks apart, headings found, what is not shown left out."""

from __future__ import annotations

import re
from typing import Any

from farspan.data.structure.levels import Heading
from farspan.data.structure.read import Content, UnreadableError, decode
from farspan.errors import RequestError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HIDDEN = frozenset(("script", "style", "noscript", "template", "head", "svg", "iframe"))
_INLINE = _words(
    """a abbr b bdi bdo cite code data dfn em font i kbd label mark q s samp small span strong sub
    sup time tt u var wbr ruby rb rt rp big del ins"""
)
_CELLS = ("td", "th")
_SPACE = re.compile(r"\s+")
_CHARSET = re.compile(rb"""<(?:meta|\?xml)[^>]*(?:charset|encoding)=["']?([\w-]+)""", re.I)


def read(data: bytes, name: str) -> Content:
    """A page. Raises `UnreadableError` for what is no text, `RequestError` without selectolax."""
    return page(_decoded(data, name))


def page(html: str) -> Content:
    """The text that a page shows, and its headings h1 to h6."""
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ImportError as error:
        raise RequestError(
            "reading HTML needs selectolax; pip install 'farspan[documents]'"
        ) from error
    tree = LexborHTMLParser(html)
    title = tree.css_first("title")
    writer = _Writer()
    if tree.body is not None:
        writer.walk(tree.body)
    shown = _SPACE.sub(" ", title.text()).strip() if title is not None else ""
    return Content("".join(writer.pieces).rstrip(), tuple(writer.headings), shown)


class _Writer:
    """Collects text with a blank line between blocks."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.headings: list[Heading] = []
        self.length = 0
        self._gap = ""

    def walk(self, root: Any) -> None:
        """Every node of a tree, with a stack of its own since pages may be nested deeply."""
        waiting: list[tuple[Any, bool, bool]] = [(root, False, False)]
        while waiting:
            node, closing, verbatim = waiting.pop()
            tag = node.tag
            if tag == "-text":
                self._text(node.text_content or "", verbatim)
                continue
            if not isinstance(tag, str) or tag in _HIDDEN or tag.startswith(("-", "_")):
                continue
            self._border(tag)
            if closing:
                continue
            if re.fullmatch("h[1-6]", tag):
                title = _SPACE.sub(" ", node.text()).strip()
                if title:
                    self._fill()
                    self.headings.append(Heading(self.length, int(tag[1]), title))
            waiting.append((node, True, verbatim))
            children = list(node.iter(include_text=True))
            waiting += [(x, False, verbatim or tag == "pre") for x in reversed(children)]

    def _border(self, tag: str) -> None:
        """What a tag puts between the texts around it."""
        if tag in _INLINE:
            return
        gap = "\n" if tag in ("br", "tr", "li") else " | " if tag in _CELLS else "\n\n"
        order = ("", " ", " | ", "\n", "\n\n")
        self._gap = max(self._gap, gap, key=order.index)

    def _text(self, text: str, verbatim: bool) -> None:
        shown = text if verbatim else _SPACE.sub(" ", text)
        if not shown.strip():
            self._gap = self._gap or (" " if shown else "")
            return
        if not verbatim:
            if shown[0] == " ":
                self._gap = self._gap or " "
            closing = shown[-1] == " "
            shown = shown.strip(" ")
        self._fill()
        self._put(shown)
        if not verbatim and closing:
            self._gap = " "

    def _fill(self) -> None:
        if self.pieces and self._gap:
            self._put(self._gap)
        self._gap = ""

    def _put(self, text: str) -> None:
        self.pieces.append(text)
        self.length += len(text)


def _decoded(data: bytes, name: str) -> str:
    """UTF-8 or what the page says of itself."""
    said = _CHARSET.search(data[:2048])
    if said is not None and said[1].lower() not in (b"utf-8", b"utf8"):
        try:
            return data.decode(said[1].decode())
        except (LookupError, UnicodeDecodeError) as error:
            raise UnreadableError(name, f"is not in the encoding it names ({error})") from error
    return decode(data, name)
