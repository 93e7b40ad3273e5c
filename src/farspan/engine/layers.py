"""The layers of a decoder that keep stores in files, and opening those."""

from __future__ import annotations

from pathlib import Path

from farspan.engine.layout import StoredLayer
from farspan.memory.file_store import DTYPE, FileStore
from farspan.memory.sketch import sketch_bytes
from farspan.models.decoder import Decoder


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


def open_layer(layer: StoredLayer, folder: Path, length: int) -> FileStore:
    """A layer's first `length` tokens; `DamagedFileError` if the files hold fewer."""
    stem = folder / layer.stem
    return FileStore.open(stem, layer.n_heads, layer.width, length=length, indexed=layer.in_place)


def bytes_on_disk(layer: StoredLayer, n_tokens: int) -> int:
    """What the files of so many tokens take, the index included where there is one."""
    index = sketch_bytes(n_tokens, layer.row_bytes) if layer.in_place else 0
    return sum(layer.files(n_tokens).values()) + index
