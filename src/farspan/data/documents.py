"""Readers of document collections: Parquet shards with licences, or folders of text files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from farspan.errors import RequestError

COLUMNS = ("id", "title", "domain", "licence", "source", "text")
TEXT_SUFFIXES = (".txt", ".md")


@dataclass(frozen=True)
class SourceDocument:
    """One document as read. `domain` is book, legal, technical, textbook, reference, speech or
    text; `licence` and `source` say where it comes from, for attribution."""

    id: str
    title: str
    domain: str
    licence: str
    source: str
    text: str


def find_shards(source: str | Path, shards: Sequence[str] | None = None) -> list[Path]:
    """The shards of a collection in order of name: its Parquet files, or the folder itself.

    `shards` picks Parquet files by the end of their name without suffix or by a part of it, such
    as "train-003". Raises `RequestError` when nothing is found.
    """
    source = Path(source)
    if not source.is_dir():
        raise RequestError(
            f"{source} is no folder; give one that holds .parquet, .txt or .md files"
        )
    found = sorted(source.glob("*.parquet"))
    if not found:
        if not any(path.suffix.lower() in TEXT_SUFFIXES for path in source.rglob("*")):
            raise RequestError(f"{source} holds no .parquet, .txt or .md files")
        return [source]
    if shards is None:
        return found
    picked = [path for path in found if any(name in path.stem for name in shards)]
    if not picked:
        names = ", ".join(path.stem for path in found)
        raise RequestError(f"no shard of {source} is named {', '.join(shards)}; there are {names}")
    return picked


def read_shard(shard: Path) -> Iterator[SourceDocument]:
    """The documents of a Parquet file, or of the text files under a folder, in order of path.

    Raises `RequestError` when a Parquet file cannot be read or lacks one of `COLUMNS`.
    """
    if shard.is_dir():
        paths = sorted(p for p in shard.rglob("*") if p.suffix.lower() in TEXT_SUFFIXES)
        for path in paths:
            name = path.relative_to(shard).as_posix()
            text = path.read_text(encoding="utf-8", errors="replace")
            title = re.sub(r"[_-]+", " ", path.stem)
            yield SourceDocument(name, title, "text", "unknown", name, text)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(shard)
    except pa.ArrowException as error:
        raise RequestError(f"{shard} cannot be read as Parquet: {error}") from error
    missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
    if missing:
        raise RequestError(f"{shard} lacks the columns {', '.join(missing)}")
    for batch in file.iter_batches(batch_size=8, columns=list(COLUMNS)):
        for row in batch.to_pylist():
            yield SourceDocument(**{name: str(row[name] or "") for name in COLUMNS})
