"""Files of every known format, read as text with headings."""

from __future__ import annotations

import codecs
import importlib
from dataclasses import dataclass
from pathlib import Path

from farspan.data.structure.levels import Heading, Levels, levels_of
from farspan.errors import RequestError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

PLAIN = ("", ".txt", ".text", ".log", ".rst", ".tex", ".csv", ".tsv")
MARKDOWN = (".md", ".markdown")
CODE = {
    ".py": "python",
    ".pyi": "python",
    ".js": "javascript",
    ".mjs": "javascript",
    ".jsx": "javascript",
    ".ts": "typescript",
    ".tsx": "tsx",
    ".java": "java",
    ".go": "go",
    ".rs": "rust",
    ".c": "c",
    ".h": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".hpp": "cpp",
}
"""The language of source files by suffix."""

FORMATS = {
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".epub": "epub",
    ".pdf": "pdf",
    ".docx": "docx",
    ".json": "chats",
    ".jsonl": "chats",
}
"""Modules of this package that read a suffix; each has `read(data, name) -> Content`."""

SUFFIXES = (*PLAIN, *MARKDOWN, *CODE, *FORMATS)


class UnreadableError(RequestError):
    """A file holds no text that can be read: broken, encrypted, binary, empty, of another kind.

    `reason` is a few words for a list, the message a whole sentence.
    """

    def __init__(self, name: str, reason: str, advice: str = "") -> None:
        super().__init__(f"{name} {reason}" + (f"; {advice}" if advice else ""))
        self.reason = reason


@dataclass(frozen=True)
class Content:
    """The text of a file and its headings; `kind` is prose, code or chat."""

    text: str
    headings: tuple[Heading, ...] = ()
    title: str = ""
    kind: str = "prose"


def read_content(path: str | Path, name: str | None = None) -> Content:
    """The text of a file with its headings, by its suffix.

    Raises `UnreadableError` with the reason, and with what to do where that is known.
    """
    path, shown = Path(path), name or str(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UnreadableError(
            shown,
            f"is of a kind that is not read ({suffix})",
            "if it is plain text, give it through standard input: farspan ask - QUESTION <"
            f" {shown}; read are {', '.join(x for x in SUFFIXES if x)}",
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableError(shown, f"cannot be read: {error.strerror or error}") from error
    return content_of(data, suffix, shown)


def content_of(data: bytes, suffix: str, name: str) -> Content:
    """The text in the bytes of a file with this suffix."""
    if suffix in FORMATS:
        module = importlib.import_module(f"farspan.data.structure.{FORMATS[suffix]}")
        content: Content = module.read(data, name)
    else:
        content = _plain(decode(data, name), suffix)
    if not content.text.strip():
        raise UnreadableError(name, "holds no text", "give a document with something to read")
    return content


def read_levels(path: str | Path) -> Levels:
    """A file as text with all its levels. Raises `UnreadableError`."""
    content = read_content(path)
    return levels_of(content.text, content.headings)


def decode(data: bytes, name: str) -> str:
    """UTF-8, or UTF-16 with a byte order mark, as text. Raises `UnreadableError`."""
    if data.startswith(_UTF16):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise UnreadableError(
                name, f"begins like UTF-16 and is not (byte {error.start})", "save it as UTF-8"
            ) from error
    if b"\0" in data:
        raise UnreadableError(name, "is a binary file, not text", "convert it to a text file first")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(
            name,
            f"is not UTF-8 text (byte {error.start} is 0x{data[error.start]:02x})",
            f"convert it, for example: iconv -f latin1 -t utf-8 {name} > {name}.utf8.txt",
        ) from error


def _plain(text: str, suffix: str) -> Content:
    from farspan.data.structure.plain import markdown_headings, plain_headings

    if suffix in CODE:
        from farspan.data.structure.code import code_headings

        return Content(text, tuple(code_headings(text, CODE[suffix])), kind="code")
    headings = markdown_headings(text) if suffix in MARKDOWN else plain_headings(text)
    return Content(text, tuple(headings))
