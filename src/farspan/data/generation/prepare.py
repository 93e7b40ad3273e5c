"""From files to a library: read, find sentences, count tokens, in parallel, one document at a time.

Legend: s stops, as in `library`.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from farspan.data.documents import SourceDocument
from farspan.data.generation.counter import TokenCounter
from farspan.data.generation.library import ABOUT, CODE, PROSE, STOPS, TEXT, VERSION, Entry
from farspan.data.sources import PARQUET, Files, Skipped
from farspan.data.structure.levels import Heading, sentence_spans
from farspan.data.structure.plain import plain_headings
from farspan.data.structure.read import UnreadableError, read_content
from farspan.errors import RequestError
from farspan.models.tokenizer import Tokenizer

MOST_TOKENS_UNCUT = 256
"""Longer sentences get places where the text may be cut, at white space."""

UNKNOWN = "unknown"
Progress = Callable[[int, int], None]
"""Told (documents done, tokens so far)."""


@dataclass(frozen=True)
class Prepared:
    """One document: its text and `stop_s4`, counted from its start, the first row zeros."""

    id: str
    title: str
    kind: str
    licence: str
    source: str
    text: bytes
    stop_s4: np.ndarray
    sections: tuple[tuple[int, int, str], ...]


def prepare_text(
    text: str, count: TokenCounter, headings: Sequence[Heading] = (), code: bool = False
) -> tuple[np.ndarray, tuple[tuple[int, int, str], ...]]:
    """Stops of a text (int64 `[S, 4]`) and its sections as (stop, depth, title).

    Sentences end before the white space that follows them; code stops at blank lines and heads
    of definitions. Headings get a stop before them.
    """
    if code:
        ends = np.array([m.start() for m in re.finditer(r"\n(?=\n)", text)], dtype=np.int64)
    else:
        spans = sentence_spans(text)
        closed = [b for _, b in spans if text[max(b - 4, 0) : b].rstrip("\"'”’)]»*_")[-1:] in ".!?"]
        ends = np.array([b for b in closed if b], dtype=np.int64)
    char_u, token_u = count.places(text)
    starts = [_before_space(text, heading.start) for heading in headings]
    cuts = _cuts(char_u, token_u, ends, len(text))
    char_s = np.unique(np.concatenate(([0], ends, starts, cuts, [len(text)]))).astype(np.int64)
    stop_s4 = np.zeros((len(char_s), 4), dtype=np.int64)
    stop_s4[:, 1] = char_s
    # A unit begins with its white space, so that ends of sentences are ends of units.
    at = np.searchsorted(char_u, char_s, side="right")
    stop_s4[:, 2] = np.concatenate(([0], token_u))[at]
    stop_s4[:, 3] = np.isin(char_s, ends)
    stop_s4[:, 0] = _bytes(text, char_s)
    sections = tuple(
        (int(np.searchsorted(char_s, start)), heading.depth, heading.title[:200])
        for start, heading in zip(starts, headings, strict=True)
    )
    return stop_s4, sections


def _before_space(text: str, place: int) -> int:
    while place and text[place - 1].isspace():
        place -= 1
    return place


def _cuts(char_u: np.ndarray, token_u: np.ndarray, ends: np.ndarray, end: int) -> np.ndarray:
    """Ends of units, in characters, that cut what is too long between sentence ends."""
    places = np.concatenate(([0], np.searchsorted(char_u, ends), [len(char_u) - 1]))
    found = []
    for a, b in zip(places[:-1].tolist(), places[1:].tolist(), strict=True):
        if b > a and token_u[b] - token_u[a] > MOST_TOKENS_UNCUT:
            goals = np.arange(token_u[a] + MOST_TOKENS_UNCUT, token_u[b], MOST_TOKENS_UNCUT)
            found.append(char_u[np.searchsorted(token_u, goals)])
    cuts = np.concatenate(found) if found else np.zeros(0, dtype=np.int64)
    return cuts[cuts < end]


def _bytes(text: str, char_s: np.ndarray) -> np.ndarray:
    """The byte, in UTF-8, of each character in `char_s`."""
    if text.isascii():
        return char_s
    code_c = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    width_c = 1 + (code_c > 0x7F) + (code_c > 0x7FF).astype(np.int64) + (code_c > 0xFFFF)
    return np.concatenate(([0], np.cumsum(width_c)))[char_s]


Job = Path | SourceDocument
_counter: list[TokenCounter] = []


def _start_worker(folder: str) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _counter[:] = [TokenCounter(Tokenizer.load(folder))]


def _work(job: Job) -> Prepared | Skipped:
    return prepare_one(job, _counter[0])


def prepare_one(job: Job, count: TokenCounter) -> Prepared | Skipped:
    """A file or a row of a Parquet shard, prepared; or why it holds nothing to read."""
    headings: Sequence[Heading] = ()
    if isinstance(job, SourceDocument):
        text = _clean(job.text)
        headings, kind = plain_headings(text), PROSE
        about = (job.id, job.title, job.licence or UNKNOWN, job.source or job.id)
    else:
        try:
            content = read_content(job)
        except UnreadableError as error:
            return Skipped(str(job), error.reason)
        text, headings = content.text, content.headings
        kind = CODE if content.kind == CODE else PROSE
        title = content.title or re.sub(r"[_-]+", " ", job.stem)
        about = (job.as_posix(), title, UNKNOWN, job.as_posix())
    if not text.strip():
        return Skipped(about[0], "holds no text")
    stops, sections = prepare_text(text, count, headings, kind == CODE)
    id, title, licence, source = about
    return Prepared(id, title, kind, licence, source, text.encode(), stops, sections)


def _clean(text: str) -> str:
    """Without what would make the output unreadable for others: half characters, zero bytes."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ").replace("\r\n", "\n")


def prepare_library(
    files: Files,
    out: str | Path,
    tokenizer: Tokenizer,
    *,
    workers: int = 1,
    licence: str | None = None,
    on_progress: Progress | None = None,
) -> tuple[Path, tuple[Skipped, ...]]:
    """Prepares files in the folder `out`, written whole or not at all; tells what was skipped.

    `licence` is that of documents which do not say their own. The result does not depend on
    `workers`. Raises `RequestError` when nothing is left to read.
    """
    out = Path(out)
    folder = out.with_name(f".{out.name}.{os.getpid()}.part")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer.save(folder / "tokenizer")
    skipped = list(files.skipped)
    entries: list[Entry] = []
    try:
        with ExitStack() as opened:
            text = opened.enter_context(open(folder / TEXT, "wb"))
            columns = [opened.enter_context(open(folder / name, "wb")) for name in STOPS]
            base, n_stops, hashed = np.zeros(4, dtype=np.int64), 0, hashlib.sha256()
            for found in _results(files.paths, folder / "tokenizer", workers, skipped):
                if isinstance(found, Skipped):
                    skipped.append(found)
                    continue
                rows = found.stop_s4 + base
                rows[:, 3] = found.stop_s4[:, 3]
                text.write(found.text)
                for column, file in enumerate(columns):
                    file.write(rows[:, column].tobytes())
                hashed.update(found.text)
                entries.append(_entry(found, n_stops, licence))
                n_stops += len(rows)
                base = np.append(rows[-1, :3], 0)
                if on_progress is not None:
                    on_progress(len(entries), int(base[2]))
        if not entries:
            reasons = "; ".join(f"{x.path} {x.reason}" for x in skipped[:3])
            raise RequestError(f"nothing is left to read ({reasons or 'no files were found'})")
        hashed.update(json.dumps([asdict(entry) for entry in entries]).encode())
        about = {
            "version": VERSION,
            "digest": hashed.hexdigest(),
            "skipped": [asdict(item) for item in skipped],
            "documents": [asdict(entry) for entry in entries],
        }
        (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return out, tuple(skipped)


def _entry(found: Prepared, first: int, licence: str | None) -> Entry:
    said = found.licence if found.licence != UNKNOWN else licence or UNKNOWN
    last = first + len(found.stop_s4) - 1
    sections = tuple((first + stop, depth, title) for stop, depth, title in found.sections)
    return Entry(found.id, found.title, found.kind, said, found.source, first, last, sections)


def _results(
    paths: Sequence[Path], tokenizer: Path, workers: int, skipped: list[Skipped]
) -> Iterator[Prepared | Skipped]:
    jobs = _jobs(paths, skipped)
    if workers == 1:
        count = TokenCounter(Tokenizer.load(tokenizer))
        yield from (prepare_one(job, count) for job in jobs)
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(str(tokenizer),),
    )
    with pool:
        waiting: deque[Future[Prepared | Skipped]] = deque()
        for job in jobs:
            waiting.append(pool.submit(_work, job))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _jobs(paths: Sequence[Path], skipped: list[Skipped]) -> Iterator[Job]:
    """Files, and the rows of Parquet shards, each as soon as it is read."""
    for path in paths:
        if path.suffix.lower() != PARQUET:
            yield path
            continue
        try:
            yield from _rows(path)
        except RequestError as error:
            skipped.append(Skipped(str(path), str(error)))


def _rows(path: Path) -> Iterator[SourceDocument]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise RequestError("needs pyarrow; pip install 'farspan[train]'") from error
    try:
        file = pq.ParquetFile(path)
        names = set(file.schema_arrow.names)
        if "text" not in names:
            raise RequestError("has no column named text")
        wanted = ("id", "title", "domain", "licence", "source", "text")
        number = 0
        for batch in file.iter_batches(batch_size=1, columns=[x for x in wanted if x in names]):
            for row in batch.to_pylist():
                filled = {name: str(row.get(name) or "") for name in wanted}
                filled["id"] = filled["id"] or f"{path.stem}/{number}"
                number += 1
                yield SourceDocument(**filled)
    except (pa.ArrowException, OSError) as error:
        raise RequestError(f"cannot be read as Parquet: {error}") from error
