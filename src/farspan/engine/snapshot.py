"""A decoder's state as plain tensors and key-value files, and back again.

What grows with the document lies in files: those of recall layers are the stores themselves, or,
where a layer keeps its store on the device (full attention, GPUs), copies that are brought up to
date. What is fixed in size, windows and memories, is a dictionary of tensors, and so are layers
whose heads keep different things.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from farspan.errors import DamagedFileError
from farspan.memory.file_store import DTYPE, FileStore
from farspan.memory.sketch import sketch_bytes
from farspan.memory.store import KeyValueStore, MemoryStore
from farspan.mixers.blocks import BlockState
from farspan.mixers.full.chunked import FullState
from farspan.mixers.states import fill, flatten
from farspan.models.decoder import Decoder, DecoderState

_COPIED_AT_ONCE = 65_536


@dataclass(frozen=True)
class StoredLayer:
    """A layer whose keys and values grow; each value takes `parts` values of the file's dtype."""

    index: int
    n_heads: int
    head_dim: int
    in_place: bool
    parts: int

    @property
    def token_bytes(self) -> int:
        """Bytes on disk a token, keys and values."""
        return 2 * self.n_heads * self.head_dim * self.parts * DTYPE.itemsize

    def bytes_on_disk(self, n_tokens: int) -> int:
        """What the files of `n_tokens` take, the index included where there is one."""
        index = sketch_bytes(n_tokens, self.token_bytes // 2) if self.in_place else 0
        return n_tokens * self.token_bytes + index

    def open(self, folder: Path, length: int) -> FileStore:
        """The layer's files, cut to `length` tokens; `DamagedFileError` if they hold fewer."""
        stem = folder / f"layer-{self.index:02d}"
        size = self.head_dim * self.parts
        return FileStore.open(stem, self.n_heads, size, length=length, indexed=self.in_place)


def stored_layers(decoder: Decoder) -> tuple[StoredLayer, ...]:
    """The layers of a decoder whose stores grow while it reads, and how they are kept on disk."""
    found = []
    for i, spec in enumerate(decoder.plan.layers[: decoder.plan.read_depth]):
        if not spec.grows:
            continue
        in_place = spec.kind == "recall" and decoder.device.type == "cpu"
        parts = 1 if in_place else decoder.dtype.itemsize // DTYPE.itemsize
        config = decoder.config
        found.append(StoredLayer(i, config.n_kv_heads, config.head_dim, in_place, parts))
    return tuple(found)


class Snapshots:
    """Saves and restores the states of one decoder in one folder."""

    def __init__(self, decoder: Decoder, folder: Path) -> None:
        self.decoder = decoder
        self.folder = folder
        self.layers = {layer.index: layer for layer in stored_layers(decoder)}
        self.copies: dict[int, FileStore] = {}
        self._in_place: list[FileStore] = []

    def layout(self) -> str:
        """What must agree for files to be readable: the layers and their bytes a token."""
        return ",".join(f"{i}:{layer.token_bytes}" for i, layer in self.layers.items())

    def bytes_on_disk(self, n_tokens: int) -> int:
        """What the files of `n_tokens` take."""
        return sum(layer.bytes_on_disk(n_tokens) for layer in self.layers.values())

    def empty(self) -> DecoderState:
        """The state before the first token, on empty files."""
        stores = self._open(0)
        return self.decoder.init_state(open_store=stores.__getitem__)

    def tensors(self, state: DecoderState) -> dict[str, Tensor]:
        """What a state holds besides its stores, on the CPU, sharing nothing with it."""
        found: dict[str, Tensor] = {}
        for i, layer in enumerate(state.layers[: self.decoder.plan.read_depth]):
            if not isinstance(layer, FullState):  # whose places are known without being kept
                found |= flatten(layer, str(i), stores=i not in self.layers)
        return {path: tensor.detach().cpu().clone() for path, tensor in found.items()}

    def flush(self, state: DecoderState) -> None:
        """Brings copies of stores on a device up to the state's length, and all files to disk."""
        for i, copy in self.copies.items():
            store = state.layers[i].store
            for start in range(copy.length, store.length, _COPIED_AT_ONCE):
                stop = min(start + _COPIED_AT_ONCE, store.length)
                k, v = store.k_bshd[:, start:stop].cpu(), store.v_bshd[:, start:stop].cpu()
                copy = copy.append(k.view(DTYPE), v.view(DTYPE))
            self.copies[i] = copy
        stores = (getattr(layer, "store", None) for layer in state.layers)
        for files in (*self.copies.values(), *stores):
            if isinstance(files, FileStore):
                for descriptor in files.descriptors():
                    os.fsync(descriptor)

    def restore(self, tensors: Mapping[str, Tensor], length: int) -> DecoderState:
        """The state of which `tensors` was made, with stores cut to its `length`.

        Raises `DamagedFileError` for files that hold less, or tensors that do not fit.
        """
        stores = self._open(length)
        empty = self.decoder.init_state(open_store=stores.__getitem__)
        try:
            layers = [
                self._restore_layer(i, layer, tensors, stores.get(i))
                for i, layer in enumerate(empty.layers)
            ]
        except KeyError as error:
            raise DamagedFileError(f"the saved state lacks {error}") from error
        return DecoderState(tuple(layers), length)

    def is_indexed(self) -> bool:
        """Whether the files last opened have an index."""
        return any(store.sketch is not None for store in self._in_place)

    def lacks_index(self) -> bool:
        """Whether the files last opened are not indexed to their end."""
        return any(store.lacks_index() for store in self._in_place)

    def mend_index(self) -> None:
        """Completes the index of the files last opened."""
        for store in self._in_place:
            store.mend_index()

    def announce(self, *, whole: bool) -> None:
        """Has the kernel begin to read what asking needs of the files: all, or the index."""
        for store in self._in_place:
            store.announce(whole=whole)

    def _restore_layer(
        self, i: int, empty: object, tensors: Mapping[str, Tensor], store: KeyValueStore | None
    ) -> object:
        if i >= self.decoder.plan.read_depth:
            return empty
        if isinstance(empty, FullState):
            assert isinstance(store, MemoryStore)
            place = torch.arange(store.length, dtype=torch.int32, device=self.decoder.device)
            documents = torch.zeros_like(place).unsqueeze(0)
            return FullState(store, documents, None if empty.position_bs is None else place[None])
        names = flatten(empty, str(i), stores=store is None)
        wanted = {path: tensors[path].to(self.decoder.device) for path in names}
        filled = fill(empty, wanted, str(i))
        if isinstance(filled, BlockState) and isinstance(store, MemoryStore):
            return replace(filled, store=store)
        return filled

    def _open(self, length: int) -> dict[int, KeyValueStore]:
        """The store of each layer: its files, or what they hold, on the device."""
        stores: dict[int, KeyValueStore] = {}
        self.copies, self._in_place = {}, []
        for i, layer in self.layers.items():
            files = layer.open(self.folder, length)
            if layer.in_place:
                stores[i] = files
                self._in_place.append(files)
                continue
            self.copies[i] = files
            held, device, dtype = files.load(), self.decoder.device, self.decoder.dtype
            k, v = (x.view(dtype).to(device) for x in (held.k_bshd, held.v_bshd))
            stores[i] = MemoryStore(k, v)
        return stores
