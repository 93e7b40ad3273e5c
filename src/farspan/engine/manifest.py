"""What a session's folder promises to hold, and reading it back with the promise checked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from farspan.data.reader import Document, Part
from farspan.errors import DamagedFileError, RequestError
from farspan.files import write_whole

FORMAT = 1
FILE = "manifest.json"
TEXT, IDS, STARTS = "text.txt", "ids.npy", "starts.npy"


@dataclass(frozen=True)
class Manifest:
    """A session: `length` of `n_tokens` are read, of which the first `n_prefix` are no document.

    `model`, `plan`, `dtype` and `position` are as they were asked for, so that they can be asked
    for again; `identity` and `layout` tell whether the key-value files fit a loaded model. `files`
    has the SHA-256 of each file that is read whole, `state` the name of the last checkpoint's.
    """

    model: str
    identity: str
    plan: str
    dtype: str
    layout: str
    text_sha256: str
    parts: tuple[Part, ...]
    n_tokens: int
    n_prefix: int
    length: int
    state: str | None
    files: dict[str, str]
    position: str = ""
    format: int = FORMAT

    @property
    def is_complete(self) -> bool:
        """Whether the whole document is read."""
        return self.length == self.n_tokens and self.state is not None

    def write(self, folder: Path) -> None:
        """Replaces the manifest of a folder; from then on it counts."""
        write_whole(folder / FILE, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a folder, None if there is none.

        Raises `DamagedFileError` if it makes no sense, `RequestError` if its format is another.
        """
        try:
            values = json.loads((folder / FILE).read_bytes())
            if values["format"] != FORMAT:
                raise RequestError(
                    f"the session in {folder} was written by another version of farspan; read the"
                    " document again with --force"
                )
            values["parts"] = tuple(Part(**part) for part in values["parts"])
            found = cls(**values)
            if not 0 <= found.n_prefix <= found.n_tokens or not 0 <= found.length <= found.n_tokens:
                raise ValueError("its lengths contradict each other")
            return found
        except FileNotFoundError:
            return None
        except RequestError:
            raise
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedFileError(f"{FILE} cannot be read: {error}") from error

    def contents(self, folder: Path, name: str) -> bytes:
        """A file of the session, checked; `DamagedFileError` if it is missing or changed."""
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise DamagedFileError(f"{name} cannot be read: {error.strerror}") from error
        if sha256(data) != self.files.get(name):
            raise DamagedFileError(f"{name} is not what was written")
        return data

    def document(self, folder: Path) -> Document:
        """The document as it was read."""
        return Document(self.contents(folder, TEXT).decode(), self.parts)

    def array(self, folder: Path, name: str) -> np.ndarray:
        """A stored array."""
        return np.load(BytesIO(self.contents(folder, name)), allow_pickle=False)


def array_bytes(array: np.ndarray) -> bytes:
    """An array as the contents of a .npy file."""
    file = BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def sha256(data: bytes) -> str:
    """Hexadecimal checksum."""
    return hashlib.sha256(data).hexdigest()
