"""Documents from text files and standard input, with the place of every character."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farspan.errors import RequestError

SUFFIXES = ("", ".txt", ".text", ".md", ".markdown")
STDIN = "-"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BETWEEN = "\n\n"


@dataclass(frozen=True)
class Part:
    """One file in a document: its path as given, and its first character and length there."""

    file: str
    start: int
    length: int


@dataclass(frozen=True)
class Place:
    """Where a character is: file, offset in the file's text as decoded, line from 1, and part."""

    file: str
    offset: int
    line: int
    part: Part


@dataclass(frozen=True)
class Document:
    """One text made of all files, in order; several files each stand under a header line.

    Line ends are as in the files, so offsets count what is there; a byte order mark is not text.
    """

    text: str
    parts: tuple[Part, ...]

    @property
    def name(self) -> str:
        """The files, shortly."""
        more = f" and {len(self.parts) - 1} more" if len(self.parts) > 1 else ""
        return self.parts[0].file + more

    def cut(self, length: int) -> Document:
        """The first `length` characters, and the files that are in them."""
        parts = (
            Part(part.file, part.start, min(part.length, length - part.start))
            for part in self.parts
            if part.start < length
        )
        return self if length >= len(self.text) else Document(self.text[:length], tuple(parts))

    def place(self, offset: int) -> Place | None:
        """The place of a character of `text`, or None in the headers between files."""
        for part in self.parts:
            if part.start <= offset < part.start + part.length:
                line = self.text.count("\n", part.start, offset) + 1
                return Place(part.file, offset - part.start, line, part)
        return None


def read_documents(paths: Sequence[str | Path]) -> Document:
    """Reads text files, "-" being standard input, into one document.

    Raises `RequestError` for what is missing, a folder, unreadable, empty, binary, not UTF-8 (or
    UTF-16 with a byte order mark), or of a kind that farspan does not read yet.
    """
    names = [str(path) for path in paths]
    if not names:
        raise RequestError("no document was given; name a text file, or - for standard input")
    if names.count(STDIN) > 1:
        raise RequestError("standard input (-) was given twice; it can be read once")
    texts = [_read_text(name) for name in names]
    if len(names) == 1:
        return document_from_text(texts[0], names[0])
    joined: list[str] = []
    parts: list[Part] = []
    length = 0
    for name, text in zip(names, texts, strict=True):
        header = f"===== {Path(name).name if name != STDIN else 'standard input'} =====\n\n"
        parts.append(Part(name, length + len(header), len(text)))
        joined += [header, text, _BETWEEN]
        length += len(header) + len(text) + len(_BETWEEN)
    return Document("".join(joined), tuple(parts))


def document_from_text(text: str, name: str = "text") -> Document:
    """A document of one text under a name. Raises `RequestError` if there is nothing in it."""
    if not text.strip():
        shown = "standard input" if name == STDIN else name
        raise RequestError(f"{shown} holds no text; give a document with something to read")
    return Document(text, (Part(name, 0, len(text)),))


def _read_text(name: str) -> str:
    if name == STDIN:
        return document_from_text(_decode(sys.stdin.buffer.read(), "standard input"), STDIN).text
    path = Path(name)
    try:
        if path.is_dir():
            raise RequestError(f"{name} is a folder; name the files in it, such as {name}/*.txt")
        if not path.exists():
            raise RequestError(f"there is no file {name}; check the path")
        if path.suffix.lower() not in SUFFIXES:
            raise RequestError(
                f"{name}: {path.suffix} files are not read yet, only .txt and .md; if it is plain"
                f" text, give it through standard input: farspan ask - QUESTION < {name}"
            )
        data = path.read_bytes()
    except OSError as error:
        raise RequestError(f"{name} cannot be read: {error.strerror or error}") from error
    return document_from_text(_decode(data, name), name).text


def _decode(data: bytes, name: str) -> str:
    if data.startswith(_UTF16):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise RequestError(
                f"{name} begins like UTF-16 and is not (byte {error.start}); save it as UTF-8"
            ) from error
    if b"\0" in data:
        raise RequestError(f"{name} is a binary file, not text; convert it to a text file first")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(
            f"{name} is not UTF-8 text (byte {error.start} is 0x{data[error.start]:02x}); convert"
            f" it, for example: iconv -f latin1 -t utf-8 {name} > {name}.utf8.txt"
        ) from error
