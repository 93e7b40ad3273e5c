"""The files that paths name, folders walked through; what cannot be read is told, not lost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from farspan.data.structure.read import SUFFIXES
from farspan.errors import RequestError

PARQUET = ".parquet"


@dataclass(frozen=True)
class Skipped:
    """A file or folder that was left out, and why in a few words."""

    path: str
    reason: str


@dataclass(frozen=True)
class Files:
    """Files to read, in order, and what was skipped on the way."""

    paths: tuple[Path, ...]
    skipped: tuple[Skipped, ...]


def find_sources(paths: Sequence[str | Path]) -> Files:
    """The files under paths, folders in the order of their names, each file once.

    Hidden files are passed over; files of unknown kinds, broken and cyclic links and empty folders
    are skipped with their reason. Raises `RequestError` for a path that does not exist.
    """
    found: dict[Path, Path] = {}
    skipped: list[Skipped] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            before = len(found), len(skipped)
            for item in _walk(path, frozenset()):
                if isinstance(item, Skipped):
                    skipped.append(item)
                else:
                    found.setdefault(item.resolve(), item)
            if before == (len(found), len(skipped)):
                skipped.append(Skipped(str(path), "is an empty folder"))
        elif path.exists():
            found.setdefault(path.resolve(), path)
        elif path.is_symlink():
            skipped.append(Skipped(str(path), "is a link that leads nowhere"))
        else:
            raise RequestError(f"there is no file or folder {path}; check the path")
    return Files(tuple(found.values()), tuple(skipped))


def _walk(folder: Path, above: frozenset[Path]) -> Iterator[Path | Skipped]:
    above |= {folder.resolve()}
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        yield Skipped(str(folder), f"cannot be opened: {error.strerror}")
        return
    for name in names:
        path = folder / name
        if name.startswith("."):
            continue
        try:
            resolved = path.resolve(strict=True)
        except (OSError, RuntimeError):
            yield Skipped(str(path), "is a link that leads nowhere")
            continue
        if resolved.is_dir():
            if resolved in above:
                yield Skipped(str(path), "is a link to a folder above it")
            elif name != "__pycache__":
                yield from _walk(path, above)
        elif path.suffix.lower() in (*SUFFIXES, PARQUET):
            yield path
        else:
            yield Skipped(str(path), f"is of a kind that is not read ({path.suffix})")


def tell_skipped(skipped: Sequence[Skipped], most: int = 5) -> Iterator[str]:
    """A warning for each of the first few, then how many more there are."""
    for item in skipped[:most]:
        yield f"skipped: {item.path} {item.reason}"
    if len(skipped) > most:
        yield f"skipped {len(skipped) - most} more files and folders"
