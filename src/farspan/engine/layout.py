"""What of a decoder's state grows with the document, and how it is kept in files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from farspan.errors import RequestError
from farspan.memory.file_store import DTYPE, PARTS, FileStore
from farspan.memory.rows import sum_bytes
from farspan.memory.sketch import sketch_bytes
from farspan.models.decoder import Decoder

STORES = ("bf16",)
_LAYER = re.compile(r"(\d{1,4}):(\d{1,4})x(\d{1,5}):([a-z0-9]{1,8})")


@dataclass(frozen=True)
class StoredLayer:
    """A layer whose keys and values grow: `n_heads` times `width` values of the file's dtype each.

    `in_place` says that its store is the files themselves, which then have an index.
    """

    index: int
    n_heads: int
    width: int
    store: str = STORES[0]
    in_place: bool = False

    def __str__(self) -> str:
        return f"{self.index}:{self.n_heads}x{self.width}:{self.store}"

    @property
    def stem(self) -> str:
        """How its files' names begin."""
        return f"layer-{self.index:02d}"

    @property
    def row_bytes(self) -> int:
        """Bytes of a token's keys, or values."""
        return self.n_heads * self.width * DTYPE.itemsize

    @property
    def token_bytes(self) -> float:
        """Bytes of a token's keys and values."""
        return 2 * self.row_bytes

    def files(self, n_tokens: int) -> dict[str, int]:
        """Names and sizes of the files that hold so many tokens, whole and without an index."""
        found: dict[str, int] = {}
        for part in PARTS:
            found[f"{self.stem}.{part}.0"] = n_tokens * self.row_bytes
            found[f"{self.stem}.{part}.sums.0"] = sum_bytes(n_tokens)
        return {name: size for name, size in found.items() if size}

    def bytes_on_disk(self, n_tokens: int) -> int:
        """What the files of so many tokens take, the index included where there is one."""
        index = sketch_bytes(n_tokens, self.row_bytes) if self.in_place else 0
        return sum(self.files(n_tokens).values()) + index

    def open(self, folder: Path, length: int) -> FileStore:
        """Its first `length` tokens; `DamagedFileError` if the files hold fewer."""
        stem = folder / self.stem
        return FileStore.open(stem, self.n_heads, self.width, length=length, indexed=self.in_place)


def stored_layers(decoder: Decoder) -> tuple[StoredLayer, ...]:
    """The layers of a decoder whose stores grow while it reads, and how they are kept on disk."""
    found = []
    for i, spec in enumerate(decoder.plan.layers[: decoder.plan.read_depth]):
        if not spec.grows:
            continue
        in_place = spec.kind == "recall" and decoder.device.type == "cpu"
        parts = 1 if in_place else decoder.dtype.itemsize // DTYPE.itemsize
        config = decoder.config
        found.append(StoredLayer(i, config.n_kv_heads, config.head_dim * parts, in_place=in_place))
    return tuple(found)


def write_layout(layers: tuple[StoredLayer, ...]) -> str:
    """What must agree for files to be readable."""
    return ",".join(map(str, layers))


def parse_layout(text: str) -> tuple[StoredLayer, ...]:
    """The inverse of `write_layout`. Raises `RequestError` for anything else."""
    layers = []
    for word in text.split(",") if text else ():
        match = _LAYER.fullmatch(word)
        if match is None or match[4] not in STORES or not int(match[2]) * int(match[3]):
            raise RequestError(f"the layout {word!r} is not known here")
        layers.append(StoredLayer(int(match[1]), int(match[2]), int(match[3]), match[4]))
    if len({layer.index for layer in layers}) < len(layers):
        raise RequestError(f"the layout {text!r} names a layer twice")
    return tuple(layers)
