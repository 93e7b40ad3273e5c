"""The layers of a decoder that keep stores in files, and opening those."""

from __future__ import annotations

from pathlib import Path

import torch

from farspan.engine.layout import StoredLayer
from farspan.errors import RequestError
from farspan.memory.file_store import DTYPE, FileStore
from farspan.memory.quantised_store import QuantisedFileStore
from farspan.memory.sizes import STORES
from farspan.memory.sketch import sketch_bytes
from farspan.models.decoder import Decoder


def stored_layers(decoder: Decoder, store: str = STORES[0]) -> tuple[StoredLayer, ...]:
    """The layers of a decoder whose stores grow while it reads, and how they are kept on disk.

    Raises `RequestError` for a kind of `store` that there is not, or not for such layers.
    """
    if store not in STORES:
        raise RequestError(f"store is {store!r}; use one of {', '.join(STORES)}")
    found = []
    for i, spec in enumerate(decoder.plan.layers[: decoder.plan.read_depth]):
        if not spec.grows:
            continue
        in_place = spec.kind == "recall" and decoder.device.type == "cpu"
        if store != STORES[0] and not in_place:
            raise RequestError(
                f"{store} stores are for recall layers on the CPU, not for {spec} on"
                f" {decoder.device}; leave --store out"
            )
        parts = 1 if in_place else decoder.dtype.itemsize // DTYPE.itemsize
        config = decoder.config
        found.append(StoredLayer(i, config.n_kv_heads, config.head_dim * parts, store, in_place))
    return tuple(found)


def open_layer(
    layer: StoredLayer, folder: Path, length: int, dtype: torch.dtype = DTYPE
) -> FileStore | QuantisedFileStore:
    """A layer's first `length` tokens, of a quantised one whole blocks, which come in `dtype`.

    Raises `DamagedFileError` if the files hold fewer.
    """
    stem, shape = folder / layer.stem, (layer.n_heads, layer.width)
    if layer.store != STORES[0]:
        return QuantisedFileStore.open(stem, layer.store, *shape, length=length, dtype=dtype)
    return FileStore.open(stem, *shape, length=length, indexed=layer.is_indexed)


def bytes_on_disk(layer: StoredLayer, n_tokens: int) -> int:
    """What the files of so many tokens take, the index included where there is one."""
    index = sketch_bytes(n_tokens, layer.row_bytes(0)) if layer.is_indexed else 0
    return sum(layer.files(n_tokens).values()) + index
