"""A decoder's state as plain tensors and key-value files, and back again.

What grows with the document lies in files: those of recall layers are the stores themselves, or,
where a layer keeps its store on the device (full attention, GPUs), copies that are brought up to
date. What is fixed in size, windows and memories, is a dictionary of tensors, and so are layers
whose heads keep different things.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from farspan.engine.layers import bytes_on_disk, open_layer, stored_layers
from farspan.engine.layout import write_layout
from farspan.errors import DamagedFileError
from farspan.memory.disk_store import DiskStore
from farspan.memory.file_store import DTYPE, FileStore
from farspan.memory.quantised_store import QuantisedFileStore
from farspan.memory.sizes import STORES
from farspan.memory.store import KeyValueStore, MemoryStore
from farspan.mixers.blocks import BlockState
from farspan.mixers.full.chunked import FullState
from farspan.mixers.states import fill, flatten
from farspan.models.decoder import Decoder, DecoderState

_COPIED_AT_ONCE = 65_536


class Snapshots:
    """Saves and restores the states of one decoder in one folder; `store` is one of `STORES`."""

    def __init__(self, decoder: Decoder, folder: Path, store: str = STORES[0]) -> None:
        self.decoder = decoder
        self.folder = folder
        self.layers = {layer.index: layer for layer in stored_layers(decoder, store)}
        self.copies: dict[int, FileStore] = {}
        self._in_place: list[DiskStore] = []

    def layout(self) -> str:
        """What must agree for files to be readable: the layers and their bytes a token."""
        return write_layout(tuple(self.layers.values()))

    def bytes_on_disk(self, n_tokens: int) -> int:
        """What the files of `n_tokens` take."""
        return sum(bytes_on_disk(layer, n_tokens) for layer in self.layers.values())

    def empty(self) -> DecoderState:
        """The state before the first token, on empty files."""
        stores = self._open(0, {})
        return self.decoder.init_state(open_store=stores.__getitem__)

    def tensors(self, state: DecoderState) -> dict[str, Tensor]:
        """What a state holds besides its stores, on the CPU, sharing nothing with it."""
        found: dict[str, Tensor] = {}
        for i, layer in enumerate(state.layers[: self.decoder.plan.read_depth]):
            if not isinstance(layer, FullState):  # whose places are known without being kept
                found |= flatten(layer, str(i), stores=i not in self.layers)
            store = getattr(layer, "store", None)
            if isinstance(store, QuantisedFileStore):
                found |= _tail(i, store)
        return {path: tensor.detach().cpu().clone() for path, tensor in found.items()}

    def flush(self, state: DecoderState) -> None:
        """Brings copies of stores on a device up to the state's length."""
        for i, copy in self.copies.items():
            store = state.layers[i].store
            for start in range(copy.length, store.length, _COPIED_AT_ONCE):
                stop = min(start + _COPIED_AT_ONCE, store.length)
                k, v = store.k_bshd[:, start:stop].cpu(), store.v_bshd[:, start:stop].cpu()
                copy = copy.append(k.view(DTYPE), v.view(DTYPE))
            self.copies[i] = copy

    def sync(self, state: DecoderState) -> None:
        """Brings all files to disk."""
        for files in self._files(state):
            for descriptor in files.descriptors():
                os.fsync(descriptor)

    def sums(self, state: DecoderState) -> dict[str, int]:
        """Checksums of what the stores' own checksums do not cover yet, by file."""
        return {k: v for files in self._files(state) for k, v in files.sums().items()}

    def restore(
        self, tensors: Mapping[str, Tensor], length: int, sums: Mapping[str, int]
    ) -> DecoderState:
        """The state of which `tensors` and `sums` were made, over the first `length` stored tokens.

        Raises `DamagedFileError` for files that hold less or something else, or tensors that do
        not fit.
        """
        stores = self._open(length, tensors)
        empty = self.decoder.init_state(open_store=stores.__getitem__)
        try:
            layers = [
                self._restore_layer(i, layer, tensors, stores.get(i))
                for i, layer in enumerate(empty.layers)
            ]
        except KeyError as error:
            raise DamagedFileError(f"the saved state lacks {error}") from error
        state = DecoderState(tuple(layers), length)
        if self.sums(state) != dict(sums):
            raise DamagedFileError("the last tokens in its stores are not what was written")
        return state

    def is_indexed(self) -> bool:
        """Whether the files last opened have an index."""
        return any(isinstance(x, FileStore) and x.sketch is not None for x in self._in_place)

    def lacks_index(self) -> bool:
        """Whether the files last opened are not indexed to their end."""
        return any(isinstance(x, FileStore) and x.lacks_index() for x in self._in_place)

    def mend_index(self) -> None:
        """Completes the index of the files last opened."""
        for store in self._in_place:
            if isinstance(store, FileStore):
                store.mend_index()

    def announce(self, *, whole: bool) -> None:
        """Has the kernel begin to read what asking needs of the files, all or by the index.

        Of the last store that is all in any case (`memory.search.Search.last_whole`).
        """
        for store in self._in_place:
            store.announce(whole=whole or store is self._in_place[-1])

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
        before = flatten(empty, str(i), stores=store is None)
        wanted = {path: tensors[path].to(self.decoder.device) for path in before}
        _check_shapes(before, wanted)
        filled = fill(empty, wanted, str(i))
        if isinstance(filled, BlockState) and isinstance(store, MemoryStore):
            return replace(filled, store=store)
        return filled

    def _files(self, state: DecoderState) -> list[DiskStore]:
        stores = [getattr(layer, "store", None) for layer in state.layers]
        return [x for x in (*self.copies.values(), *stores) if isinstance(x, DiskStore)]

    def _open(self, length: int, tensors: Mapping[str, Tensor]) -> dict[int, KeyValueStore]:
        """The store of each layer: its files, or what they hold, on the device."""
        stores: dict[int, KeyValueStore] = {}
        self.copies, self._in_place = {}, []
        for i, layer in self.layers.items():
            files = open_layer(layer, self.folder, length, self.decoder.dtype)
            if isinstance(files, QuantisedFileStore):
                stores[i] = _with_tail(i, files, tensors, length)
                self._in_place.append(files)
                continue
            if layer.in_place:
                stores[i] = files
                self._in_place.append(files)
                continue
            self.copies[i] = files
            held, device, dtype = files.load(), self.decoder.device, self.decoder.dtype
            k, v = (x.view(dtype).to(device) for x in (held.k_bshd, held.v_bshd))
            stores[i] = MemoryStore(k, v)
        return stores


def _tail(i: int, store: QuantisedFileStore) -> dict[str, Tensor]:
    """The tokens of a quantised store that are not in its files."""
    return {f"{i}.tail.k": store.tail.k_bshd, f"{i}.tail.v": store.tail.v_bshd}


def _with_tail(
    i: int, store: QuantisedFileStore, tensors: Mapping[str, Tensor], length: int
) -> KeyValueStore:
    """A quantised store with the tokens that were saved behind its blocks."""
    if not length:
        return store
    wanted, found = _tail(i, store), {}
    for path, empty in wanted.items():
        if path not in tensors:
            raise DamagedFileError(f"the saved state lacks {path}")
        found[path] = tensors[path]
        shape = (1, length - store.length, *empty.shape[2:])
        if found[path].shape != shape or found[path].dtype != empty.dtype:
            raise DamagedFileError(f"the saved {path} has shape {list(found[path].shape)}")
    return store.with_tail(*found.values())


def _check_shapes(before: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raises `DamagedFileError` unless tensors can be what became of those `before`.

    What is empty at first may have grown, along an axis of one name by as much in each part of one
    state.
    """
    grown: dict[tuple[str, str], set[int]] = {}
    for path, old in before.items():
        new = found[path]
        fits = new.ndim == old.ndim and new.dtype == old.dtype
        if not fits or any(a not in (0, b) for a, b in zip(old.shape, new.shape, strict=True)):
            raise DamagedFileError(f"the saved {path} has shape {list(new.shape)} of {new.dtype}")
        part, axes = path.rpartition(".")[0], path.rpartition("_")[2]
        for axis, a, b in zip(axes, old.shape, new.shape, strict=True):
            if not a:
                grown.setdefault((part, axis), set()).add(b)
    for (part, _), sizes in grown.items():
        if len(sizes) > 1:
            raise DamagedFileError(f"the parts of the saved {part} differ in size")
