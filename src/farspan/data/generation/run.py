"""A whole data set: documents prepared, shards made by several processes, runs resumed."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from farspan.data.generation.counter import TokenCounter
from farspan.data.generation.draft import Draft, UnfitError
from farspan.data.generation.library import ABOUT, Library
from farspan.data.generation.mix import all_kinds, read_mix, weigh
from farspan.data.generation.phrasing import Phrasing, check_split
from farspan.data.generation.prepare import prepare_library
from farspan.data.generation.rows import Recipe, Tally, make_row, row_of
from farspan.data.generation.shards import (
    DATA,
    NOTES,
    Layout,
    Notes,
    check_format,
    encode_rows,
    write_shard,
)
from farspan.data.sources import find_sources, tell_skipped
from farspan.errors import RequestError
from farspan.files import write_whole
from farspan.models.chat import render_chat
from farspan.models.tokenizer import Tokenizer

MANIFEST, LIBRARY = "generation.json", ".library"
SHORTEST = 1024

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What a data set is made of: everything that decides its bytes.

    `mix` is a name or a JSON file; `split` picks the wordings ("test" ones are never in "train").
    Raises `RequestError` for values that are not allowed.
    """

    length: int
    samples: int
    seed: int = 0
    mix: str = "levels"
    split: str = "train"
    format: str = "parquet"
    licence: str | None = None

    def __post_init__(self) -> None:
        if self.length < SHORTEST:
            raise RequestError(f"length is {self.length} tokens; give {SHORTEST} or more")
        if self.samples < 1:
            raise RequestError(f"samples is {self.samples}; give at least 1")
        if self.seed < 0:
            raise RequestError(f"seed is {self.seed}; give 0 or more")
        check_split(self.split)
        check_format(self.format)


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    doing: str
    done: int
    total: int
    tokens: int


@dataclass(frozen=True)
class Made:
    """A finished data set and what it holds."""

    folder: Path
    notes: Notes
    library: Library
    skipped: int
    shards: int
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Work:
    """What a process needs to make shards."""

    library: str
    tokenizer: str
    families: tuple[str, ...]
    weights: tuple[float, ...]
    layout: Layout
    seed: int
    overhead: int


def generate(
    paths: Sequence[str | Path],
    out: str | Path,
    request: Request,
    tokenizer: Callable[[], Tokenizer],
    *,
    workers: int = 1,
    resume: bool = False,
    force: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    say: Say = lambda message: None,
) -> Made:
    """Makes a data set from documents in the folder `out`, with a data card.

    `paths` are files and folders, or one library prepared before, which brings its own tokenizer;
    `tokenizer` loads one for the others. `resume` goes on where the same request stopped, `force`
    starts over. The bytes do not depend on `workers`. Raises `RequestError` when the folder holds
    another data set, nothing can be read or nothing fits.
    """
    if workers < 1:
        raise RequestError(f"the number of workers is {workers}; give at least 1")
    folder, mix = Path(out), read_mix(request.mix)
    _check_folder(folder, request, mix, resume, force)
    folder.mkdir(parents=True, exist_ok=True)
    library, n_skipped = _library(
        paths, folder, tokenizer, workers, request.licence, resume, on_progress, say
    )
    _write_manifest(folder, request, mix, library)
    families, weights, left_out = weigh(mix, library, request.length)
    for line in left_out:
        say(line)
    layout = Layout(folder, request.samples, request.length, request.split, request.format)
    words = library.folder / "tokenizer"
    work = _Work(
        str(library.folder),
        str(words),
        tuple(family.name for family in families),
        tuple(weights),
        layout,
        request.seed,
        chat_overhead(Tokenizer.load(words)),
    )
    missing = [k for k in range(layout.n_shards) if not layout.is_done(k)]
    total = Notes()
    for shard in range(layout.n_shards):
        if shard not in missing:
            total.merge(Notes.load(layout.notes_path(shard)))
    for shard in _make(work, missing, workers):
        total.merge(Notes.load(layout.notes_path(shard)))
        done = sum(total.rows.values())
        on_progress(Progress("generating", done, request.samples, sum(total.tokens.values())))
    made = Made(folder, total, library, n_skipped, layout.n_shards, tuple(left_out))
    from farspan.data.generation.card import write_card

    write_card(made, request)
    shutil.rmtree(folder / LIBRARY, ignore_errors=True)
    return made


def chat_overhead(tokenizer: Tokenizer) -> int:
    """Tokens that the chat format adds to one question and its answer."""
    if tokenizer.chat_template is None:
        return 0
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "x"}]
    names = {"bos_token": tokenizer.token_text(tokenizer.bos_id)}
    names["eos_token"] = tokenizer.token_text(next(iter(tokenizer.eos_ids), None))
    shown = render_chat(tokenizer.chat_template, turns, add_generation_prompt=False, **names)
    return len(tokenizer.encode(shown)) - 2


def _check_folder(
    folder: Path, request: Request, mix: dict[str, float], resume: bool, force: bool
) -> None:
    """Makes sure that the folder holds nothing else; removes what `force` gives up."""
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"-o {folder} is a file; name a folder")
    manifest = folder / MANIFEST
    if not manifest.is_file():
        # What a run that was killed while it prepared has left is its own.
        begun = [x for x in folder.glob(".*") if x.name.startswith((LIBRARY, f".{LIBRARY}."))]
        if folder.is_dir() and set(folder.iterdir()) - set(begun):
            raise RequestError(f"-o {folder} holds other files; name a new or empty folder")
        for left in begun:
            if left.name != LIBRARY:
                shutil.rmtree(left)
        return
    if force:
        for name in (DATA, NOTES, LIBRARY):
            shutil.rmtree(folder / name, ignore_errors=True)
        manifest.unlink()
        return
    if not resume:
        raise RequestError(
            f"{folder} holds a data set already; --resume goes on with it, --force replaces it"
        )
    asked = _request_as_json(request, mix)
    stored = json.loads(manifest.read_text(encoding="utf-8"))["request"]
    for name, value in asked.items():
        if stored.get(name) != value:
            raise RequestError(
                f"{folder} was begun with {name} {stored.get(name)!r} and is to be resumed with"
                f" {value!r}; use the same request, or --force"
            )
    for left in (*folder.glob(f"{DATA}/.*.part"), *folder.glob(f"{NOTES}/.*.part")):
        left.unlink()


def _request_as_json(request: Request, mix: dict[str, float]) -> dict[str, Any]:
    return {**asdict(request), "mix": mix}


def _write_manifest(
    folder: Path, request: Request, mix: dict[str, float], library: Library
) -> None:
    about = {
        "version": 1,
        "request": _request_as_json(request, mix),
        "documents": len(library.entries),
        "digest": library.digest,
    }
    path = folder / MANIFEST
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["digest"] != library.digest:
            raise RequestError(
                f"the documents are others than those that {folder} was begun with; use --force"
            )
        return
    write_whole(path, json.dumps(about, indent=1).encode())


def _library(
    paths: Sequence[str | Path],
    folder: Path,
    tokenizer: Callable[[], Tokenizer],
    workers: int,
    licence: str | None,
    resume: bool,
    on_progress: Callable[[Progress], None],
    say: Say,
) -> tuple[Library, int]:
    """The library and how many files were skipped for it."""
    if not paths:
        raise RequestError("no documents were given; name files or folders")
    prepared = [Path(path) for path in paths if (Path(path) / ABOUT).is_file()]
    if prepared and len(paths) > 1:
        raise RequestError(f"{prepared[0]} is a prepared library; name it alone")
    if prepared:
        return Library(prepared[0]), 0
    inside = folder / LIBRARY
    if resume and (inside / ABOUT).is_file():
        return Library(inside), len(json.loads((inside / ABOUT).read_text())["skipped"])
    _, skipped = prepare_library(
        find_sources(paths),
        inside,
        tokenizer(),
        workers=workers,
        licence=licence,
        on_progress=lambda n, tokens: on_progress(Progress("preparing", n, 0, tokens)),
    )
    for line in tell_skipped(skipped):
        say(line)
    return Library(inside), len(skipped)


class Maker:
    """Makes shards from a library, which it opens once."""

    def __init__(self, work: _Work) -> None:
        self.work = work
        families = all_kinds()
        self.recipe = Recipe(
            Library(work.library),
            TokenCounter(Tokenizer.load(work.tokenizer)),
            [families[name] for name in work.families],
            work.weights,
            work.layout.length,
            work.seed,
            work.layout.split,
            work.overhead,
        )

    def __call__(self, shard: int) -> int:
        """Writes a shard; returns its number."""
        notes, tally, rows = Notes(), Tally(), []
        for index in self.work.layout.rows(shard):
            row = make_row(self.recipe, index, tally)
            notes.add(row)
            rows.append(row)
        notes.thrown.update({f"{a}: {b}": n for (a, b), n in tally.counts.items()})
        write_shard(self.work.layout, shard, rows, notes)
        return shard


_maker: list[Maker] = []


def _start_worker(work: _Work) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    _maker[:] = [Maker(work)]


def _work_on(shard: int) -> int:
    return _maker[0](shard)


def _make(work: _Work, shards: Sequence[int], workers: int) -> Iterator[int]:
    """Makes shards, several at a time; yields their numbers as they are written."""
    workers = min(workers, len(shards))
    if workers <= 1:
        if shards:
            yield from map(Maker(work), shards)
        return
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(work,),
    )
    try:
        for future in as_completed([pool.submit(_work_on, shard) for shard in shards]):
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


WRITTEN_CARD = """# Dialogues about documents, with questions written by a model

{rows} rows, {questions} questions of local, medium and global level, after He et al. 2025
(arXiv 2504.12637). The answers are a model's: each was given again from a summary of its evidence
and was not given without it, but none is exact by construction.
"""


def write_dialogues(
    library: str | Path,
    out: str | Path,
    complete: Callable[[str], str],
    length: int,
    samples: int,
    seed: int,
    say: Say = lambda message: None,
) -> tuple[int, int]:
    """Makes dialogues with a model's questions, a file a row; those that exist are kept.

    Returns rows and questions. Rows for which the model wrote no usable question are left out,
    and `say` is told. Raises `RequestError` when the endpoint fails or no row is left.
    """
    from farspan.data.generation.written import WRITTEN, written_dialogue

    folder, opened = Path(out), Library(library)
    tokenizer = Tokenizer.load(opened.folder / "tokenizer")
    count = TokenCounter(tokenizer)
    overhead = chat_overhead(tokenizer)
    recipe = Recipe(opened, count, [], [], length, seed, overhead=overhead)
    (folder / DATA).mkdir(parents=True, exist_ok=True)
    for index in range(samples):
        path = folder / DATA / f"train-{seed}-{index:05d}.jsonl"
        if path.is_file():
            continue
        rng = np.random.default_rng([seed, index])
        draft = Draft(rng, length, opened, count, Phrasing(rng), overhead)
        try:
            dialogue = written_dialogue(draft, complete)
        except UnfitError as error:
            say(f"row {index} is left out: {error}")
            continue
        row = row_of(recipe, draft, WRITTEN["global"], dialogue, index)
        write_whole(path, encode_rows([row], "jsonl"))
    paths = sorted((folder / DATA).glob("train-*.jsonl"))
    if not paths:
        raise RequestError("the model wrote no usable question for any document")
    n_questions = sum(len(json.loads(path.read_bytes())["questions"]) for path in paths)
    card = WRITTEN_CARD.format(rows=len(paths), questions=n_questions)
    write_whole(folder / "README.md", card.encode())
    return len(paths), n_questions
