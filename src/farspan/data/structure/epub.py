"""EPUB books: the pages of the spine, in order."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from urllib.parse import unquote
from xml.etree import ElementTree

from farspan.data.structure.html import page
from farspan.data.structure.levels import Heading
from farspan.data.structure.read import Content, UnreadableError, decode

MOST_BYTES = 1 << 30
"""Unpacked; a book that says more is not read."""

_BETWEEN = "\n\n"


def read(data: bytes, name: str) -> Content:
    """A book. Raises `UnreadableError` for broken and encrypted ones."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(item.file_size for item in archive.infolist()) > MOST_BYTES:
                raise UnreadableError(name, "unpacks to more than a gigabyte")
            return _read(archive, name)
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, EOFError, zlib.error) as error:
        raise UnreadableError(name, f"is no EPUB that can be read ({error})") from error
    except (RuntimeError, NotImplementedError) as error:  # zipfile's for passwords and methods
        raise UnreadableError(name, f"is an encrypted EPUB ({error})") from error


def _read(archive: zipfile.ZipFile, name: str) -> Content:
    container = ElementTree.fromstring(archive.read("META-INF/container.xml"))
    root = container.find(".//{*}rootfile")
    if root is None:
        raise UnreadableError(name, "is an EPUB that names no book")
    place = unquote(root.attrib["full-path"])
    book = ElementTree.fromstring(archive.read(place))
    files = {item.attrib["id"]: item.attrib["href"] for item in book.iterfind(".//{*}item")}
    title = book.findtext(".//{http://purl.org/dc/elements/1.1/}title") or ""
    encrypted = _encrypted(archive)
    texts: list[str] = []
    headings: list[Heading] = []
    at = 0
    for reference in book.iterfind(".//{*}itemref"):
        href = unquote(files[reference.attrib["idref"]].split("#")[0])
        path = posixpath.normpath(posixpath.join(posixpath.dirname(place), href))
        if path in encrypted:
            raise UnreadableError(name, "is an encrypted EPUB")
        content = page(decode(archive.read(path), f"{name}: {path}"))
        if not content.text:
            continue
        headings += [Heading(at + h.start, h.depth, h.title) for h in content.headings]
        texts.append(content.text)
        at += len(content.text) + len(_BETWEEN)
    return Content(_BETWEEN.join(texts), tuple(headings), title.strip())


def _encrypted(archive: zipfile.ZipFile) -> set[str]:
    """The files that the book says are encrypted; often only its fonts."""
    if "META-INF/encryption.xml" not in archive.namelist():
        return set()
    told = ElementTree.fromstring(archive.read("META-INF/encryption.xml"))
    return {unquote(x.attrib.get("URI", "")) for x in told.iterfind(".//{*}CipherReference")}
