"""From documents to a prepared corpus: tokenise, find sentences, extract questions, in parallel."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from farspan.data.corpus import VERSION, Document, ItemTable, Shard
from farspan.data.documents import SourceDocument, find_shards, read_shard
from farspan.data.qa import KINDS, extract_items
from farspan.data.sentences import sentence_ends
from farspan.data.turns import Item
from farspan.errors import RequestError
from farspan.models.tokenizer import Tokenizer

HELD_OUT = ("train-008-of-010", "train-009-of-010")
"""Shards of the project's corpus that tests use and training never sees."""

Progress = Callable[[int, int], None]
"""Told (documents done, documents in all)."""


@dataclass(frozen=True)
class Prepared:
    """One document after the workers' part; positions are tokens from its start.

    `token_t` uint16 [T], `sentence_n` int32, `span_n2` int64 evidence of the `items`.
    """

    token_t: np.ndarray
    sentence_n: np.ndarray
    items: tuple[Item, ...]
    span_n2: np.ndarray


def prepare_document(document: SourceDocument, tokenizer: Tokenizer) -> Prepared:
    """Tokens, places for insertion and questions of one document.

    Raises `RequestError` when a token does not fit 16 bits, or spaCy is missing.
    """
    ids, starts = tokenizer.encode_document(document.text)
    if len(ids) and int(ids.max()) >= 1 << 16:
        raise RequestError(
            f"token {int(ids.max())} does not fit 16 bits; use a tokenizer of up to 65536 tokens"
        )
    ends = sentence_ends(document.text)
    places = np.searchsorted(starts, ends)
    whole = (places > 0) & (places < len(starts))
    whole[whole] &= starts[places[whole]] == ends[whole]  # a token begins with the white space
    items = tuple(extract_items(document.text, document.domain, natural=True))
    chars = np.array([(item.start, item.end) for item in items], dtype=np.int64).reshape(-1, 2)
    first = np.searchsorted(starts, chars[:, 0], side="right") - 1
    last = np.searchsorted(starts, chars[:, 1], side="left")
    return Prepared(
        ids.astype(np.uint16),
        places[whole].astype(np.int32),
        items,
        np.stack([np.maximum(first, 0), last], axis=1),
    )


def _join(name: str, sources: Sequence[SourceDocument], parts: Sequence[Prepared]) -> Shard:
    documents, sentences, spans = [], [], []
    begin = n_sentences = n_items = 0
    for source, part in zip(sources, parts, strict=True):
        end = begin + len(part.token_t)
        order = np.argsort(part.span_n2[:, 0], kind="stable")
        assert np.array_equal(order, np.arange(len(order))), "items must come in text order"
        documents.append(
            Document(
                source.id,
                source.title,
                source.domain,
                source.licence,
                source.source,
                begin,
                end,
                n_sentences,
                n_sentences + len(part.sentence_n),
                n_items,
                n_items + len(part.items),
            )
        )
        sentences.append(part.sentence_n + begin)
        spans.append(part.span_n2 + begin)
        begin = end
        n_sentences += len(part.sentence_n)
        n_items += len(part.items)
    items = [item for part in parts for item in part.items]
    return Shard(
        name,
        np.concatenate([part.token_t for part in parts]),
        np.concatenate(sentences).astype(np.int32),
        ItemTable.from_items(items, np.concatenate(spans)),
        tuple(documents),
    )


_worker_tokenizer: list[Tokenizer] = []


def _start_worker(folder: str) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _worker_tokenizer[:] = [Tokenizer.load(folder)]


def _work(document: SourceDocument) -> Prepared:
    return prepare_document(document, _worker_tokenizer[0])


def _in_processes(
    documents: Sequence[SourceDocument], tokenizer_folder: Path, workers: int
) -> Iterator[tuple[int, Prepared]]:
    """Index and result of each document, longest first, as they come."""
    order = sorted(range(len(documents)), key=lambda i: -len(documents[i].text))
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(str(tokenizer_folder),),
    )
    with pool:
        waiting: dict[Future[Prepared], int] = {}
        todo = iter(order)
        for index in todo:
            waiting[pool.submit(_work, documents[index])] = index
            if len(waiting) >= 2 * workers:
                break
        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()
                for index in todo:
                    waiting[pool.submit(_work, documents[index])] = index
                    break


def prepare(
    source: str | Path,
    out: str | Path,
    tokenizer: Tokenizer,
    shards: Sequence[str] | None = None,
    workers: int = 1,
    held_out: Iterable[str] = HELD_OUT,
    on_progress: Progress | None = None,
) -> Path:
    """Prepare a collection of documents for training; returns the folder `out`, written anew.

    `shards` picks Parquet files by a part of their name; `held_out` names those that
    `Corpus.load` leaves out of training. With more than one worker, documents are spread over
    processes, started fresh (the caller's module needs its `__main__` guard). The result does not
    depend on `workers`. Raises `RequestError` when there is nothing to read or spaCy is missing.
    """
    if workers < 1:
        raise RequestError(f"the number of workers is {workers}; give at least 1")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder / "tokenizer")
    left_out = set(held_out)
    paths = find_shards(source, shards)
    names = [path.stem if path.is_file() else "texts" for path in paths]
    documents: list[SourceDocument] = []
    shard_of: list[int] = []
    for number, path in enumerate(paths):
        found = [document for document in read_shard(path) if document.text.strip()]
        documents += found
        shard_of += [number] * len(found)
    if not documents:
        raise RequestError(f"the documents of {source} are all empty")
    results: Iterable[tuple[int, Prepared]]
    if workers == 1:
        results = ((i, prepare_document(doc, tokenizer)) for i, doc in enumerate(documents))
    else:
        results = _in_processes(documents, folder / "tokenizer", workers)
    parts: dict[int, Prepared] = {}
    for index, part in results:
        parts[index] = part
        if on_progress is not None:
            on_progress(len(parts), len(documents))
    rows = []
    for number, name in enumerate(names):
        members = [i for i, shard in enumerate(shard_of) if shard == number]
        if members:
            _join(name, [documents[i] for i in members], [parts[i] for i in members]).save(folder)
            rows.append({"name": name, "held_out": name in left_out})
    about = {"version": VERSION, "kinds": list(KINDS), "shards": rows}
    (folder / "corpus.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    return folder
