"""What of a state grows with the document, and in which files it is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass

from farspan.errors import RequestError
from farspan.memory.rows import CHECKED, PARTS
from farspan.memory.sizes import STORES, row_bytes, row_tokens

SUM_BYTES = 4
_LAYER = re.compile(r"(\d{1,4}):(\d{1,4})x(\d{1,5}):([a-z0-9]{1,8})")


@dataclass(frozen=True)
class StoredLayer:
    """A layer whose keys and values grow: `n_heads` times `width` numbers each.

    `store` is one of `STORES`. `in_place` says that its store is the files themselves, not a copy
    of them; in bfloat16 these have an index.
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
    def is_indexed(self) -> bool:
        """Whether an index is kept beside the keys."""
        return self.in_place and self.store == STORES[0]

    @property
    def token_bytes(self) -> float:
        """Bytes of a token's keys and values."""
        return sum(self.row_bytes(part) for part in range(len(PARTS))) / row_tokens(self.store)

    def row_bytes(self, part: int) -> int:
        """Bytes of a row in the files of one of `PARTS`."""
        return row_bytes(self.store, self.n_heads, self.width, part)

    def files(self, n_tokens: int) -> dict[str, int]:
        """Names and sizes of the files that hold so many tokens, whole and without an index."""
        found: dict[str, int] = {}
        size = row_tokens(self.store)
        rows = n_tokens // size
        for i, part in enumerate(PARTS):
            found[f"{self.stem}.{part}.0"] = rows * self.row_bytes(i)
            found[f"{self.stem}.{part}.sums.0"] = rows // (CHECKED // size) * SUM_BYTES
        return {name: size for name, size in found.items() if size}


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


def store_of(layout: str) -> str:
    """The kind of the stores in a layout. Raises `RequestError` if it is not one."""
    return next((layer.store for layer in parse_layout(layout)), STORES[0])
