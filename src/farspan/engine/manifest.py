"""What a session's folder promises to hold, and reading it back with the promise checked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

from farspan.data.reader import Document, Part
from farspan.errors import DamagedFileError, RequestError
from farspan.files import write_whole

FORMAT = 2
FILE = "manifest.json"
SUFFIXES = {"text": ".txt", "ids": ".npy", "starts": ".npy"}
"""What of a document is kept in a file each."""


@dataclass(frozen=True)
class Manifest:
    """A session: which document it holds and what read it.

    Of the tokens in its files the first `n_tokens` count, of which the first `n_prefix` are no
    document. `model`, `plan`, `dtype` and `position` are as they were asked for, so that they can
    be asked for again; `identity` and `layout` tell whether the key-value files fit a loaded
    model. `files` has the SHA-256 of each file of `SUFFIXES`.
    """

    model: str
    identity: str
    plan: str
    dtype: str
    layout: str
    parts: tuple[Part, ...]
    n_tokens: int
    n_prefix: int
    files: dict[str, str]
    position: str = ""
    format: int = FORMAT

    def file(self, part: str) -> str:
        """The name of a file of the document; another content has another name."""
        return f"{part}-{self.files[part][:16]}{SUFFIXES[part]}"

    def write(self, folder: Path) -> None:
        """Replaces the manifest of a folder; from then on it counts."""
        write_whole(folder / FILE, self.to_bytes(), mode=0o600)

    def to_bytes(self) -> bytes:
        """What is in its file."""
        values = asdict(self)
        return json.dumps({**values, "crc32c": _sum(values)}, indent=1).encode()

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a folder, None if there is none.

        Raises `DamagedFileError` if it makes no sense, `RequestError` if its format is another.
        """
        try:
            data = (folder / FILE).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DamagedFileError(f"{FILE} cannot be read: {error.strerror}") from error
        return cls.parse(data, str(folder))

    @classmethod
    def parse(cls, data: bytes, where: str) -> Manifest:
        """A manifest from the contents of its file; errors are those of `read`."""
        try:
            values = json.loads(data)
            if values["format"] != FORMAT:
                raise RequestError(
                    f"the session in {where} was written by another version of farspan (format"
                    f" {values['format']}, this one reads {FORMAT}); read the document again with"
                    " --force"
                )
            if values.pop("crc32c") != _sum(values):
                raise ValueError("its checksum is wrong")
            values["parts"] = tuple(Part(**part) for part in values["parts"])
            found = cls(**values)
            found._check()
            return found
        except RequestError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DamagedFileError(f"{FILE} cannot be read: {error}") from error

    def contents(self, folder: Path, part: str) -> bytes:
        """A file of the document, checked; `DamagedFileError` if it is missing or changed."""
        name = self.file(part)
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise DamagedFileError(f"{name} cannot be read: {error.strerror}") from error
        if sha256(data) != self.files[part]:
            raise DamagedFileError(f"{name} is not what was written")
        return data

    def load(self, folder: Path) -> tuple[Document, np.ndarray, np.ndarray]:
        """The document as far as it counts, its tokens and where each begins.

        `ids` uint32 `[n_tokens]`, `starts` int64 `[n_tokens - n_prefix]`. Raises
        `DamagedFileError` for files that are not what was written or contradict each other.
        """
        try:
            text = self.contents(folder, "text").decode()
            ids = _array(self.contents(folder, "ids"), np.dtype(np.uint32))
            starts = _array(self.contents(folder, "starts"), np.dtype(np.int64))
        except (ValueError, SyntaxError) as error:
            if isinstance(error, RequestError):
                raise
            raise DamagedFileError(f"its document cannot be read: {error}") from error
        n_starts = self.n_tokens - self.n_prefix
        if len(starts) != len(ids) - self.n_prefix or n_starts > len(starts):
            raise DamagedFileError("its tokens and their places do not fit each other")
        edges = np.append(starts, len(text))
        if edges[0] < 0 or bool((np.diff(edges) < 0).any()):
            raise DamagedFileError("its tokens and their places do not fit its text")
        document = Document(text, self.parts).cut(int(edges[n_starts]))
        return document, ids[: self.n_tokens], starts[:n_starts]

    def _check(self) -> None:
        for field in fields(self):
            value: Any = getattr(self, field.name)
            if str(field.type) in ("str", "int") and type(value).__name__ != field.type:
                raise ValueError(f"{field.name} is {value!r}")
        if not 0 <= self.n_prefix < self.n_tokens < 1 << 48:
            raise ValueError("its lengths contradict each other")
        if self.files.keys() != SUFFIXES.keys() or not all(map(is_sha256, self.files.values())):
            raise ValueError("its files are not those of a document")
        end = 0
        for part in self.parts:
            if not isinstance(part.file, str) or not end <= part.start <= part.start + part.length:
                raise ValueError("its parts do not follow each other")
            end = part.start + part.length
        if not self.parts:
            raise ValueError("it has no parts")


def _array(data: bytes, dtype: np.dtype) -> np.ndarray:
    """The inverse of `array_bytes`, which allocates no more than there is."""
    file = BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an array of another version")
    shape, _, found = np.lib.format.read_array_header_1_0(file)
    if len(shape) != 1 or found != dtype or len(data) - file.tell() != shape[0] * dtype.itemsize:
        raise ValueError(f"an array {shape} of {found}")
    return np.frombuffer(data, dtype, offset=file.tell())


def array_bytes(array: np.ndarray) -> bytes:
    """An array as the contents of a .npy file."""
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def sha256(data: bytes) -> str:
    """Hexadecimal checksum."""
    return hashlib.sha256(data).hexdigest()


def is_sha256(text: object) -> bool:
    """Whether it is a checksum as `sha256` writes it."""
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")


def _sum(values: dict[str, Any]) -> int:
    return google_crc32c.value(json.dumps(values, sort_keys=True).encode())
