"""A memory that outlives a call: what it holds, who may use it, how it is saved.

Axes: b row, t token of the call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from farspan.errors import DamagedFileError, RequestError
from farspan.files import write_whole
from farspan.mixers.infini import InfiniState
from farspan.mixers.states import fill, flatten

_HEADER = "farspan_memory"


@dataclass(frozen=True)
class PersistentMemory:
    """What a model remembers of each row: a state a layer, and the tokens read so far `[B]`.

    `made_by` names the model and its settings; no other model takes the memory.
    """

    layers: tuple[InfiniState, ...]
    length_b: Tensor
    made_by: str

    @property
    def batch(self) -> int:
        """Rows."""
        return self.length_b.shape[0]

    @property
    def dtype(self) -> torch.dtype:
        """What the features were computed in."""
        return self.layers[0].recent.k_bshd.dtype

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return self.length_b.device

    @property
    def nbytes(self) -> int:
        """Bytes held, all rows."""
        return sum(x.nbytes for x in flatten(self).values())

    def detach(self) -> PersistentMemory:
        """The same without a way back for gradients, as between training steps."""
        return self._like({name: x.detach() for name, x in flatten(self).items()})

    def to(self, device: torch.device | str) -> PersistentMemory:
        """The same on another device."""
        return self._like({name: x.to(device) for name, x in flatten(self).items()})

    def save(self, path: str | Path) -> None:
        """Writes a safetensors file, which the model's `load_memory` reads."""
        tensors = {name: x.detach().cpu().contiguous() for name, x in flatten(self).items()}
        header = json.dumps({"made_by": self.made_by, "layers": len(self.layers)})
        write_whole(Path(path), save(tensors, {_HEADER: header}))

    def _like(self, tensors: Mapping[str, Tensor]) -> PersistentMemory:
        restored: PersistentMemory = fill(self, tensors)
        return restored


def load_memory(path: str | Path, empty: PersistentMemory) -> PersistentMemory:
    """Reads what `save` wrote, for the model whose memory before the first token is `empty`.

    Raises `RequestError` for a missing file and for another model's memory, `DamagedFileError` for
    a file that is none.
    """
    if not Path(path).is_file():
        raise RequestError(f"memory {path}: there is no such file")
    try:
        with safe_open(str(path), framework="pt") as file:
            made_by = json.loads(file.metadata()[_HEADER])["made_by"]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(f"{path} is no saved memory, or is damaged ({error})") from error
    if made_by != empty.made_by:
        raise other_model(made_by, empty.made_by)
    for name, wanted in flatten(empty).items():
        found = tensors.get(name)
        if found is None or not _fits(found, wanted):
            raise DamagedFileError(f"{path}: {name} is not what a memory of this model holds")
    tensors = {name: x.to(empty.device) for name, x in tensors.items()}
    restored: PersistentMemory = fill(empty, tensors)
    return restored


def _fits(found: Tensor, wanted: Tensor) -> bool:
    """Same dtype and axes; rows and kept tokens, of which an empty memory has none, may differ."""
    if found.dtype != wanted.dtype or found.ndim != wanted.ndim:
        return False
    pairs = zip(found.shape[1:], wanted.shape[1:], strict=True)
    return all(one == two or (i == 0 and two == 0) for i, (one, two) in enumerate(pairs))


def other_model(found: str, wanted: str) -> RequestError:
    """The error for a memory of another model or rule."""
    return RequestError(
        f"memory: it was made by {found}; this is {wanted}, which takes its own memory or None"
    )
