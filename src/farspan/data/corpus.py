"""Prepared corpora: documents as token arrays with sentence starts and extracted questions.

A prepared folder holds `corpus.json`, the tokenizer, and for each shard `tokens-NAME.npy`
(uint16, memory-mapped), `sentences-NAME.npy` (int32), `items-NAME.npz` and `index-NAME.json`.
All positions are tokens from the start of the shard.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from farspan.data.qa import KINDS
from farspan.data.turns import Item
from farspan.errors import DamagedFileError, RequestError

VERSION = 1
SPLITS = ("train", "held-out", "all")


@dataclass(frozen=True)
class Document:
    """One prepared document and where it lies in its shard.

    `begin` and `end` are tokens; `first_sentence`, `last_sentence` and `first_item`, `last_item`
    are rows (end exclusive) of the shard's tables.
    """

    id: str
    title: str
    domain: str
    licence: str
    source: str
    begin: int
    end: int
    first_sentence: int
    last_sentence: int
    first_item: int
    last_item: int

    @property
    def n_tokens(self) -> int:
        """Length in tokens."""
        return self.end - self.begin


class ItemTable:
    """Questions of a shard in columns, so that only those asked are ever decoded.

    `start_n`, `end_n` (tokens) span the evidence; `kind_n` indexes `qa.KINDS`; `local_n` marks
    those that are unique only within their own document.
    """

    def __init__(
        self,
        start_n: np.ndarray,
        end_n: np.ndarray,
        kind_n: np.ndarray,
        local_n: np.ndarray,
        text_end_n: np.ndarray,
        text: np.ndarray,
    ) -> None:
        self.start_n = start_n
        self.end_n = end_n
        self.kind_n = kind_n
        self.local_n = local_n
        self._text_end_n = text_end_n
        self._text = text

    def __len__(self) -> int:
        return len(self.start_n)

    def words(self, index: int) -> tuple[tuple[str, ...], str]:
        """The slots and the answer of one item."""
        low = int(self._text_end_n[index - 1]) if index else 0
        blob = self._text[low : int(self._text_end_n[index])].tobytes()
        *slots, answer = json.loads(blob)
        return tuple(slots), answer

    @classmethod
    def from_items(cls, items: Sequence[Item], spans: np.ndarray) -> ItemTable:
        """From items and their evidence spans in tokens (int [N, 2])."""
        blobs = [
            json.dumps([*item.slots, item.answer], ensure_ascii=False).encode() for item in items
        ]
        return cls(
            spans[:, 0].astype(np.int32),
            spans[:, 1].astype(np.int32),
            np.array([KINDS.index(item.kind) for item in items], dtype=np.uint8),
            np.array([item.local for item in items], dtype=bool),
            np.cumsum([len(blob) for blob in blobs], dtype=np.int64),
            np.frombuffer(b"".join(blobs), dtype=np.uint8),
        )

    def save(self, path: Path) -> None:
        """Write the table as .npz."""
        np.savez_compressed(
            path,
            start=self.start_n,
            end=self.end_n,
            kind=self.kind_n,
            local=self.local_n,
            text_end=self._text_end_n,
            text=self._text,
        )

    @classmethod
    def load(cls, path: Path) -> ItemTable:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as found:
            names = ("start", "end", "kind", "local", "text_end", "text")
            return cls(*(found[name] for name in names))


@dataclass(frozen=True)
class Shard:
    """One shard of a prepared corpus; tokens (uint16 [T]) stay on disk until they are used."""

    name: str
    token_t: np.ndarray
    sentence_n: np.ndarray
    items: ItemTable
    documents: tuple[Document, ...]

    def save(self, folder: Path) -> None:
        """Write the shard's four files."""
        np.save(folder / f"tokens-{self.name}.npy", self.token_t)
        np.save(folder / f"sentences-{self.name}.npy", self.sentence_n)
        self.items.save(folder / f"items-{self.name}.npz")
        index = [asdict(document) for document in self.documents]
        path = folder / f"index-{self.name}.json"
        path.write_text(json.dumps(index, ensure_ascii=False, indent=0), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, name: str) -> Shard:
        """Read what `save` wrote; `DamagedFileError` if a file is missing or damaged."""
        try:
            index = json.loads((folder / f"index-{name}.json").read_text(encoding="utf-8"))
            documents = tuple(Document(**row) for row in index)
            return cls(
                name,
                np.load(folder / f"tokens-{name}.npy", mmap_mode="r", allow_pickle=False),
                np.load(folder / f"sentences-{name}.npy", allow_pickle=False),
                ItemTable.load(folder / f"items-{name}.npz"),
                documents,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedFileError(
                f"shard {name} of {folder} is damaged ({error}); prepare the corpus again"
            ) from error


class Corpus:
    """The documents of a prepared corpus that belong to one split."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards = tuple(shards)
        self.places = tuple(
            (shard, document) for shard in self.shards for document in shard.documents
        )
        """Every document beside its shard."""
        if not self.places:
            raise RequestError("the corpus holds no documents; prepare at least one shard")

    @classmethod
    def load(cls, folder: str | Path, split: str = "train") -> Corpus:
        """A prepared folder's shards: those to train on, the held-out ones, or all.

        Raises `RequestError` for an unknown split, a folder without a corpus, an empty split.
        """
        folder = Path(folder)
        if split not in SPLITS:
            raise RequestError(f"split is {split!r}; use one of {', '.join(SPLITS)}")
        about = read_about(folder)
        shards = [
            Shard.load(folder, str(row["name"]))
            for row in about["shards"]
            if split == "all" or row["held_out"] == (split == "held-out")
        ]
        if not shards:
            raise RequestError(f"{folder} holds no {split} shards; prepare some")
        return cls(shards)

    @property
    def n_tokens(self) -> int:
        """Tokens of all documents."""
        return sum(document.n_tokens for _, document in self.places)

    def attributions(self) -> dict[str, list[str]]:
        """Titles by licence, for the card of a model trained on this corpus."""
        found: dict[str, list[str]] = {}
        for _, document in self.places:
            found.setdefault(document.licence, []).append(document.title)
        return found


def read_about(folder: Path) -> dict[str, list[dict[str, object]]]:
    """`corpus.json` of a prepared folder; `RequestError` if there is none."""
    path = folder / "corpus.json"
    if not path.is_file():
        raise RequestError(f"{folder} holds no prepared corpus; run `prepare` on the documents")
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFileError(f"{path} is damaged ({error}); prepare the corpus again") from error
    if not isinstance(about, dict) or about.get("version") != VERSION:
        raise DamagedFileError(
            f"{path} was prepared by another version of farspan; prepare the corpus again"
        )
    if about.get("kinds") != list(KINDS):
        raise DamagedFileError(f"{path} lists other kinds of questions; prepare the corpus again")
    return about
