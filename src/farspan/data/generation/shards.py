"""Shards of a data set: which rows each holds, how it is written, and what is noted beside it."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from farspan.data.generation.rows import Row
from farspan.errors import RequestError
from farspan.files import write_whole

FORMATS = ("parquet", "jsonl")
DATA, NOTES = "data", ".notes"
SHARD_TOKENS = 1 << 22
MOST_ROWS = 1024
DEPTH_BINS = 20


@dataclass(frozen=True)
class Layout:
    """How the rows of a data set are spread over its shards; it depends on the request alone."""

    folder: Path
    samples: int
    length: int
    split: str
    format: str

    @property
    def rows_a_shard(self) -> int:
        """Rows of every shard but the last."""
        return max(1, min(SHARD_TOKENS // self.length, MOST_ROWS))

    @property
    def n_shards(self) -> int:
        """Shards in all."""
        return -(-self.samples // self.rows_a_shard)

    def rows(self, shard: int) -> range:
        """The numbers of the rows of a shard."""
        first = shard * self.rows_a_shard
        return range(first, min(first + self.rows_a_shard, self.samples))

    def path(self, shard: int) -> Path:
        """The file of a shard."""
        name = f"{self.split}-{shard:05d}-of-{self.n_shards:05d}.{self.format}"
        return self.folder / DATA / name

    def notes_path(self, shard: int) -> Path:
        """The file that says what is in a shard."""
        return self.folder / NOTES / f"{shard:05d}.json"

    def is_done(self, shard: int) -> bool:
        """Whether a shard was written; its notes come last."""
        return self.path(shard).is_file() and self.notes_path(shard).is_file()


@dataclass
class Notes:
    """What a data card tells of rows: counts by family, depths of evidence, sources."""

    rows: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    lengths: Counter[str] = field(default_factory=Counter)
    depths: Counter[str] = field(default_factory=Counter)
    levels: Counter[str] = field(default_factory=Counter)
    questions: Counter[str] = field(default_factory=Counter)
    documents: Counter[str] = field(default_factory=Counter)
    thrown: Counter[str] = field(default_factory=Counter)

    def add(self, row: Row) -> None:
        """Counts one row."""
        self.rows[row["family"]] += 1
        self.tokens[row["family"]] += row["tokens"]
        self.lengths[str(row["tokens"])] += 1
        for question in row["questions"]:
            self.levels[question["level"]] += 1
            self.questions[question["family"]] += 1
        sizes = [max(len(message["content"]), 1) for message in row["messages"]]
        for span in row["evidence"]:
            depth = int(DEPTH_BINS * span["start"] / sizes[span["message"]])
            self.depths[str(min(depth, DEPTH_BINS - 1))] += 1
        for document in row["documents"]:
            about = {name: document[name] for name in ("id", "title", "licence", "source")}
            self.documents[json.dumps(about)] += 1

    def merge(self, other: Notes) -> None:
        """Adds another's counts."""
        for name, counts in vars(other).items():
            getattr(self, name).update(counts)

    def dump(self) -> bytes:
        """As JSON."""
        return json.dumps({k: dict(sorted(v.items())) for k, v in vars(self).items()}).encode()

    @classmethod
    def load(cls, path: Path) -> Notes:
        """What `dump` wrote to a file."""
        found = json.loads(path.read_bytes())
        return cls(**{name: Counter(counts) for name, counts in found.items()})


def encode_rows(rows: Sequence[Row], format: str) -> bytes:
    """Rows as the bytes of a Parquet or JSON Lines file."""
    if format == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    with pq.ParquetWriter(out, _schema(), compression="zstd", compression_level=1) as writer:
        for row in rows:
            writer.write_table(pa.Table.from_pylist([row], schema=_schema()))
    return out.getvalue()


def write_shard(layout: Layout, shard: int, rows: Sequence[Row], notes: Notes) -> None:
    """Writes a shard, then its notes, each whole or not at all."""
    path, beside = layout.path(shard), layout.notes_path(shard)
    for file in (path, beside):
        file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, encode_rows(rows, layout.format))
    write_whole(beside, notes.dump())


def check_format(format: str) -> None:
    """Raises `RequestError` for a format that is not written, or whose library is missing."""
    if format not in FORMATS:
        raise RequestError(f"format is {format!r}; use one of {', '.join(FORMATS)}")
    if format == "parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise RequestError(
                "writing Parquet needs pyarrow; pip install 'farspan[train]', or use --format jsonl"
            ) from error


@cache
def _schema() -> Any:
    import pyarrow as pa

    text, number = pa.string(), pa.int64()

    def rows_of(**fields: Any) -> Any:
        return pa.list_(pa.struct(list(fields.items())))

    return pa.schema(
        {
            "id": text,
            "family": text,
            "level": text,
            "messages": rows_of(role=text, content=text),
            "questions": rows_of(
                family=text, level=text, message=number, start=number, answer=pa.list_(text)
            ),
            "evidence": rows_of(question=number, message=number, start=number, end=number),
            "answer": text,
            "tokens": number,
            "seed": number,
            "documents": rows_of(
                id=text,
                title=text,
                licence=text,
                source=text,
                message=number,
                start=number,
                end=number,
            ),
        }
    )
