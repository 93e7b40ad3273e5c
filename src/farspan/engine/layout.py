"""What of a state grows with the document, and in which files it is kept."""

from __future__ import annotations

import re
from dataclasses import dataclass

from farspan.errors import RequestError
from farspan.memory.rows import PARTS, sum_bytes

STORES = ("bf16",)
VALUE_BYTES = 2
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
        return self.n_heads * self.width * VALUE_BYTES

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
