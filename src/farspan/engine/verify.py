"""Checking every byte of a session, and repairing what can be read again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors

from farspan.engine.journal import Commit, damaged_lines, read_journal, rewrite_journal
from farspan.engine.layers import open_layer
from farspan.engine.layout import StoredLayer, parse_layout
from farspan.engine.manifest import FILE, Manifest, sha256
from farspan.engine.shelf import find, session_lock
from farspan.errors import RequestError
from farspan.memory.file_store import FileStore
from farspan.memory.sketch import BLOCK, SUFFIX, Sketch

_AT_ONCE = 4096


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a session: sentences, none if all is well.

    What was read is right up to `sound` of its `tokens`; `repaired` says that the rest will be
    read again when it is next asked.
    """

    name: str
    tokens: int
    sound: int
    problems: tuple[str, ...]
    repaired: bool = False


def verify(name: str, *, repair: bool = False) -> Verdict:
    """Checks everything that a session holds.

    With `repair` it goes back to the last place before the damage. Raises `RequestError` if there
    is no such session, or another process is writing it.
    """
    folder = find(name)
    with session_lock(folder) as lock:
        if repair:
            lock.own()
        else:
            lock.share()
        found = verify_folder(folder)
        if not repair or not found.problems or not found.tokens:
            return found
        good = [x for x in read_journal(folder) if x.length <= found.sound]
        rewrite_journal(folder, [x for x in good if _state_problem(folder, x) is None])
        for path in folder.glob(f"layer-*.{SUFFIX}.*"):
            path.unlink()
        return Verdict(found.name, found.tokens, found.sound, found.problems, repaired=True)


def verify_folder(folder: Path) -> Verdict:
    """What is wrong with the session in a folder; without a whole document nothing is sound."""
    try:
        manifest = Manifest.read(folder)
        if manifest is None:
            return Verdict(folder.name, 0, 0, (f"{FILE} is missing",))
        manifest.load(folder)
        layers = parse_layout(manifest.layout)
        commits = read_journal(folder)
    except RequestError as error:
        return Verdict(folder.name, 0, 0, (str(error),))
    problems = []
    broken = damaged_lines(folder)
    if broken:
        problems.append(f"{broken} lines of the journal are not what was written")
    good = []
    for commit in commits:
        problem = _state_problem(folder, commit)
        if problem is None:
            good.append(commit)
        else:
            problems.append(problem)
    sound = commits[-1].length if commits else 0
    for layer in layers if commits else ():
        for place, problem in _store_problems(folder, layer, commits):
            problems.append(problem)
            sound = min(sound, place)
    sound = max((x.length for x in good if x.length <= sound), default=0)
    return Verdict(folder.name, manifest.n_tokens, sound, tuple(problems))


def _state_problem(folder: Path, commit: Commit) -> str | None:
    try:
        data = (folder / commit.state).read_bytes()
        if sha256(data) != commit.sha256:
            return f"{commit.state} is not what was written"
        load_tensors(data)
    except OSError as error:
        return f"{commit.state} cannot be read: {error.strerror}"
    except SafetensorError as error:
        return f"{commit.state} cannot be read: {error}"
    return None


def _store_problems(
    folder: Path, layer: StoredLayer, commits: list[Commit]
) -> Iterator[tuple[int, str]]:
    """What is wrong with a layer's files, and how many tokens before it are right."""
    store = None
    for commit in reversed(commits):
        try:
            opened = open_layer(layer, folder, commit.length)
        except RequestError as error:
            yield commit.length - 1, str(error)
            continue
        store = store or opened
        for name, total in opened.sums().items():
            if commit.sums.get(name) != total:
                yield commit.length - 1, f"{name} is not what was written before {commit.length}"
    if store is None:
        return
    damaged = store.first_damage()
    if damaged is not None:
        yield damaged, f"{layer.stem} is not what was written from token {damaged} on"
    elif isinstance(store, FileStore) and not _is_index_right(store, folder / layer.stem):
        yield store.length, f"the index of {layer.stem} does not fit its keys"


def _is_index_right(store: FileStore, stem: Path) -> bool:
    """Whether what there is of an index is that of the keys."""
    index = Sketch(stem, (store.n_heads, store.head_dim), store.length)
    for start, k in store.keys(_AT_ONCE):
        whole = min(k.shape[1], index.tokens - start) // BLOCK * BLOCK
        if whole > 0 and not index.is_right(start, k[0, :whole]):
            return False
    return True
