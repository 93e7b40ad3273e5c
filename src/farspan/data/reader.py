"""Documents from files, folders and standard input, with the place of every character."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from farspan.data.sources import PARQUET, Skipped, find_sources, tell_skipped
from farspan.data.structure.read import UnreadableError, decode, read_content
from farspan.errors import RequestError

STDIN = "-"
_BETWEEN = "\n\n"

Say = Callable[[str], None]


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

    Line ends are as in text files, so offsets count what is there; a byte order mark is not text.
    Of other formats, offsets count the text that was taken from them.
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


def read_documents(paths: Sequence[str | Path], say: Say = lambda message: None) -> Document:
    """Reads files of any known format, folders and standard input ("-") into one document.

    What a folder holds and cannot be read is skipped, and `say` is told. Raises `RequestError`
    for a named file that is missing, broken, encrypted, empty, binary, in an unknown encoding or
    of an unknown kind, and when nothing is left.
    """
    names = [str(path) for path in paths]
    if not names:
        raise RequestError("no document was given; name a text file, or - for standard input")
    if names.count(STDIN) > 1:
        raise RequestError("standard input (-) was given twice; it can be read once")
    texts: dict[str, str] = {}
    skipped: list[Skipped] = []
    for name in names:
        if name != STDIN and Path(name).is_dir():
            texts.update(_read_folder(name, skipped))
        else:
            texts[name] = _read_text(name)
    if not texts:
        reasons = "; ".join(f"{item.path} {item.reason}" for item in skipped[:3])
        raise RequestError(f"nothing is left to read ({reasons})")
    for line in tell_skipped(skipped):
        say(line)
    if len(texts) == 1:
        name, text = next(iter(texts.items()))
        return document_from_text(text, name)
    joined: list[str] = []
    parts: list[Part] = []
    length = 0
    for name, text in texts.items():
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


def _read_folder(folder: str, skipped: list[Skipped]) -> dict[str, str]:
    """The texts under a folder by path; adds what cannot be read to `skipped`."""
    found = find_sources([folder])
    skipped += found.skipped
    texts = {}
    for path in found.paths:
        if path.suffix.lower() == PARQUET:
            skipped.append(Skipped(str(path), "is a table, not a document"))
            continue
        try:
            texts[str(path)] = read_content(path).text
        except UnreadableError as error:
            skipped.append(Skipped(str(path), error.reason))
    return texts


def _read_text(name: str) -> str:
    if name == STDIN:
        return document_from_text(decode(sys.stdin.buffer.read(), "standard input"), STDIN).text
    if not Path(name).exists():
        raise RequestError(f"there is no file {name}; check the path")
    return read_content(name).text
