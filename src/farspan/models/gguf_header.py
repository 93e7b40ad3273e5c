"""The header of a GGUF file: metadata and where each tensor lies.

`gguf.GGUFReader` makes a numpy view of every vocabulary entry, which takes 1.5 s for 49,000
tokens and 5 s for 150,000; this reader takes a tenth of that, and checks every length, so that a
truncated download is told from a good file. Format: ggml's docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from farspan.errors import DamagedFileError, RequestError

_NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY = 8, 9
_MAX_DIMENSIONS = 4


@dataclass(frozen=True)
class GgufTensor:
    """One stored tensor: `shape` in torch order (rows first), `start` and `size` in file bytes."""

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    start: int
    size: int


@dataclass(frozen=True)
class GgufHeader:
    """Metadata as plain Python values, and the tensors by name."""

    path: Path
    fields: dict[str, Any]
    tensors: dict[str, GgufTensor]


class _Cursor:
    """Reads little-endian values one after the other and never past the end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = memoryview(data)
        self.place = 0

    def take(self, size: int) -> memoryview:
        if size > len(self.data) - self.place:
            raise EOFError
        self.place += size
        return self.data[self.place - size : self.place]

    def numbers(self, code: str, count: int) -> tuple[Any, ...]:
        form = f"<{count}{code}"
        return struct.unpack(form, self.take(struct.calcsize(form)))

    def count(self) -> int:
        return int(self.numbers("Q", 1)[0])

    def string(self) -> str:
        return str(self.take(self.count()), "utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            (inner,) = self.numbers("I", 1)
            count = self.count()
            if inner in _NUMBERS:
                return list(self.numbers(_NUMBERS[inner], count))
            if count > len(self.data):
                raise EOFError
            return [self.value(inner) for _ in range(count)]
        if kind not in _NUMBERS:
            raise ValueError(f"unknown value type {kind}")
        return self.numbers(_NUMBERS[kind], 1)[0]


def read_header(path: str | Path) -> GgufHeader:
    """Metadata and tensor places of a GGUF file.

    Raises `RequestError` if the file is missing or of another version, `DamagedFileError` if it
    is no GGUF file or ends before its last tensor.
    """
    path = Path(path)
    if not path.is_file():
        raise RequestError(f"there is no file {path}")
    size = path.stat().st_size
    if size < 24:
        raise DamagedFileError(f"{path} is not a GGUF file: it holds only {size} bytes")
    with open(path, "rb") as file:
        cursor = _Cursor(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if bytes(cursor.take(4)) != b"GGUF":
        raise DamagedFileError(f"{path} is not a GGUF file: it does not begin with 'GGUF'")
    (version,) = cursor.numbers("I", 1)
    if version not in (2, 3):
        raise RequestError(f"{path} is GGUF version {version}; farspan reads versions 2 and 3")
    try:
        n_tensors, n_fields = cursor.count(), cursor.count()
        fields: dict[str, Any] = {}
        for _ in range(n_fields):
            key = cursor.string()
            (kind,) = cursor.numbers("I", 1)
            fields[key] = cursor.value(kind)
        tensors = {tensor.name: tensor for tensor in _tensors(cursor, n_tensors, fields)}
    except (EOFError, struct.error, OverflowError, MemoryError) as error:
        raise DamagedFileError(f"{path} is truncated: it ends inside its header") from error
    except (ValueError, KeyError, RecursionError) as error:
        raise DamagedFileError(f"{path} is damaged: its header cannot be read ({error})") from error
    end = max((tensor.start + tensor.size for tensor in tensors.values()), default=0)
    if end > size:
        raise DamagedFileError(f"{path} is truncated: {size} of {end} bytes are there")
    return GgufHeader(path, fields, tensors)


def _tensors(cursor: _Cursor, count: int, fields: dict[str, Any]) -> Iterator[GgufTensor]:
    """The table of tensors; their data begin at the next aligned place after it."""
    rows = []
    for _ in range(count):
        name = cursor.string()
        (n_dims,) = cursor.numbers("I", 1)
        if not 1 <= n_dims <= _MAX_DIMENSIONS:
            raise ValueError(f"tensor {name!r} has {n_dims} dimensions")
        shape = cursor.numbers("Q", n_dims)[::-1]
        if 0 in shape:
            raise ValueError(f"tensor {name!r} is empty")
        (kind,) = cursor.numbers("I", 1)
        rows.append((name, shape, GGMLQuantizationType(kind), cursor.count()))
    alignment = int(fields.get("general.alignment", 32))
    if alignment < 1:
        raise ValueError(f"the alignment is {alignment}")
    data = -(-cursor.place // alignment) * alignment
    for name, shape, kind, offset in rows:
        block, block_bytes = GGML_QUANT_SIZES[kind]
        elements = math.prod(shape)
        if shape[-1] % block:
            raise ValueError(f"tensor {name!r} of shape {shape} does not divide into blocks")
        yield GgufTensor(name, shape, kind, data + offset, elements // block * block_bytes)
