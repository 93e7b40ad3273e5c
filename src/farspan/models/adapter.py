"""Adapters: what training changed in a base model, stored small and added to it at load.

A weight delta is rounded to one uniform grid and its codes are Huffman-coded (zlib). At equal
bytes this leaves 0.57 of the squared error of 3-bit groups with their own scales on Gaussian
deltas, and less on uneven ones: frequent small codes cost fewer bits, and a group of small weights
needs no scale to be cheap.
Axes: o output feature, i input feature.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from farspan.errors import DamagedFileError, RequestError

FORMAT_VERSION = 1
MIN_BITS, MAX_BITS = 1.25, 6.0
"""Bits a weight that can be asked for: Huffman codes take one at least, codes are 8-bit."""

_MAX_CODE = 127
_MEASURABLE = 4096
"""Codes below which the coder's own overhead hides what a code takes."""

_CORRECTIONS = 3
_SPARSE = 0.6
"""Share of zero codes from which runs are worth looking for."""

_GAUSSIAN_ENTROPY = 2.05
"""Bits of entropy of a unit Gaussian: rounded at step s, a code has this less log2(s)."""


@dataclass(frozen=True)
class PackedDelta:
    """A delta of `shape`: `codes` (uint8, a raw deflate stream of int8 codes) times `step`."""

    codes: Tensor
    step: float
    shape: tuple[int, ...]

    @property
    def bits(self) -> float:
        """Bits a weight, all included."""
        return 8 * (self.codes.numel() + 4) / max(int(np.prod(self.shape)), 1)


@dataclass(frozen=True)
class AdapterMetadata:
    """Where an adapter comes from: the base file's SHA-256, the layer plan, recipe and seed.

    `notes` is for whatever else should be known, as plain JSON values.
    """

    base_sha256: str
    plan: str
    recipe: str = ""
    seed: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class Adapter:
    """Deltas to add to a base model, and whole values to set; by Hugging Face tensor name."""

    deltas: Mapping[str, PackedDelta]
    values: Mapping[str, Tensor]
    metadata: AdapterMetadata

    def merge_(self, tensors: dict[str, Tensor]) -> None:
        """Add the deltas to `tensors` in place, and set values in the model's own dtype.

        Raises `RequestError`, before anything is changed, if a tensor is missing or has another
        shape; `DamagedFileError` if a delta cannot be decoded.
        """
        for name, delta in self.deltas.items():
            if name not in tensors:
                raise RequestError(f"the adapter is for another model: this one has no {name}")
            _check_shape(name, delta.shape, tensors[name])
        for name, value in self.values.items():
            if name in tensors:
                _check_shape(name, tuple(value.shape), tensors[name])
        dtype = next((tensor.dtype for tensor in tensors.values()), torch.float32)
        for name, value in self.values.items():
            if name in tensors:
                tensors[name].copy_(value)
            else:
                tensors[name] = value.to(dtype)
        with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
            jobs = [
                pool.submit(_add, tensors[name], name, delta) for name, delta in self.deltas.items()
            ]
            for job in jobs:
                job.result()


def quantise_delta(delta_oi: Tensor, bits: float) -> PackedDelta:
    """Round a delta `[out, in]` to a uniform grid such that a code takes about `bits` bits.

    The grid's step is the least-squares fit to the rounded weights. Raises `RequestError` for
    `bits` out of range or a delta that is not finite.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise RequestError(f"adapter bits are {bits}, must be from {MIN_BITS} to {MAX_BITS}")
    delta = delta_oi.detach().to("cpu", torch.float32)
    if not torch.isfinite(delta).all():
        raise RequestError("a weight of the tuned model is not finite; do not store this training")
    largest, scale = float(delta.abs().max()), float(delta.square().mean().sqrt())
    if scale == 0.0:
        return _pack(delta, 1.0)
    step = scale * 2 ** (_GAUSSIAN_ENTROPY - bits)
    if delta.numel() >= _MEASURABLE:
        for _ in range(_CORRECTIONS):  # a step half as long costs one bit more
            step *= 2 ** max(min(_pack(delta, step).bits - bits, 2.0), -2.0)
    # Codes end at 127: either cut outliers, or widen the grid for them where little else is there.
    choices = [_pack(delta, step), _pack(delta, max(step, largest / _MAX_CODE))]
    return min(choices, key=lambda packed: relative_error(delta, dequantise_delta(packed)))


def _pack(delta: Tensor, step: float) -> PackedDelta:
    """Round to a grid, code, and fit the step to the rounded weights."""
    codes = (delta / step).round().clamp(-_MAX_CODE, _MAX_CODE)
    fitted = float((codes * delta).sum() / codes.square().sum().clamp(min=1e-12))
    sparse = float((codes == 0).float().mean()) > _SPARSE
    strategy = zlib.Z_RLE if sparse else zlib.Z_HUFFMAN_ONLY
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
    stream = squeeze.compress(codes.to(torch.int8).contiguous().numpy().tobytes())
    packed = np.frombuffer(stream + squeeze.flush(), dtype=np.uint8).copy()
    return PackedDelta(torch.from_numpy(packed), fitted, tuple(delta.shape))


def dequantise_delta(packed: PackedDelta) -> Tensor:
    """The delta that was stored, float32; `DamagedFileError` if its codes cannot be decoded."""
    count = int(np.prod(packed.shape))
    inflate = zlib.decompressobj(-15)
    try:
        codes = inflate.decompress(_buffer(packed.codes), count + 1)
    except zlib.error as error:
        raise DamagedFileError(f"an adapter's codes cannot be decoded: {error}") from error
    if len(codes) != count or not inflate.eof:
        raise DamagedFileError(f"an adapter's codes are not the {count} of its shape")
    values = torch.frombuffer(bytearray(codes), dtype=torch.int8).to(torch.float32)
    return values.mul_(packed.step).reshape(packed.shape)


def low_rank_delta(delta_oi: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The best rank-`rank` form (truncated SVD): fp16 factors `[out, rank]` and `[rank, in]`."""
    u, s, v = torch.linalg.svd(delta_oi.to(torch.float32), full_matrices=False)
    root = s[:rank].sqrt()
    return (u[:, :rank] * root).half(), (root[:, None] * v[:rank]).half()


def relative_error(delta: Tensor, stored: Tensor) -> float:
    """Squared error of a stored delta as a share of the delta's own square."""
    delta = delta.to(torch.float32)
    lost = (delta - stored.to(torch.float32)).square().sum()
    return float(lost / delta.square().sum().clamp(min=1e-30))


def make_adapter(
    base: Mapping[str, Tensor],
    tuned: Mapping[str, Tensor],
    bits: float,
    metadata: AdapterMetadata,
) -> Adapter:
    """The difference of two models, matrices at about `bits` bits a weight.

    Tensors that did not change are left out. Vectors, and tensors that the base lacks, are kept
    whole (float32, and float16 for new matrices). Raises `RequestError` for shapes that differ.
    """
    deltas: dict[str, PackedDelta] = {}
    values: dict[str, Tensor] = {}
    for name, tensor in tuned.items():
        if name not in base:
            values[name] = tensor.detach().to(
                "cpu", torch.float32 if tensor.dim() < 2 else torch.float16
            )
            continue
        _check_shape(name, tuple(tensor.shape), base[name])
        if torch.equal(tensor, base[name].to(tensor)):
            continue
        if tensor.dim() < 2:
            values[name] = tensor.detach().to("cpu", torch.float32)
        else:
            delta = tensor.detach().to(torch.float32) - base[name].to(tensor.device, torch.float32)
            deltas[name] = quantise_delta(delta, bits)
    return Adapter(deltas, values, metadata)


def save_adapter(path: str | Path, adapter: Adapter) -> None:
    """Write an adapter as a safetensors file, whole or not at all."""
    path = Path(path)
    tensors = {f"{name}:delta": packed.codes for name, packed in adapter.deltas.items()}
    tensors |= {f"{name}:value": value.contiguous() for name, value in adapter.values.items()}
    header = {
        "metadata": asdict(adapter.metadata),
        "deltas": {
            name: [packed.step, list(packed.shape)] for name, packed in adapter.deltas.items()
        },
        "sha256": _checksum(tensors),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file(tensors, str(temporary), metadata={"farspan_adapter": json.dumps(header)})
    os.replace(temporary, path)


def load_adapter(path: str | Path) -> Adapter:
    """Read an adapter and check it against its own checksum.

    Raises `RequestError` if the file is missing or of a later format, `DamagedFileError` if it is
    no adapter or not what was written.
    """
    path = Path(path)
    if not path.is_file():
        raise RequestError(f"there is no adapter file {path}")
    try:
        with safe_open(str(path), framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(about["farspan_adapter"])
        known = {entry.name for entry in fields(AdapterMetadata)}
        version = header["metadata"]["format_version"]
        if version != FORMAT_VERSION:
            raise RequestError(
                f"{path} is adapter format {version}; this farspan reads {FORMAT_VERSION},"
                " install the version that wrote it"
            )
        if header["sha256"] != _checksum(tensors):
            raise DamagedFileError(f"{path} is damaged: its tensors do not match its checksum")
        metadata = {key: value for key, value in header["metadata"].items() if key in known}
        deltas = {
            name: PackedDelta(tensors.pop(f"{name}:delta"), float(step), tuple(shape))
            for name, (step, shape) in header["deltas"].items()
        }
        values = {name.removesuffix(":value"): value for name, value in tensors.items()}
        return Adapter(deltas, values, AdapterMetadata(**metadata))
    except RequestError:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(f"{path} is not a farspan adapter: {error}") from error


def _add(tensor: Tensor, name: str, packed: PackedDelta) -> None:
    try:
        tensor.add_(dequantise_delta(packed).to(tensor.device))
    except DamagedFileError as error:
        raise DamagedFileError(f"{name}: {error}") from error


def _check_shape(name: str, shape: tuple[int, ...], tensor: Tensor) -> None:
    if tuple(tensor.shape) != shape:
        raise RequestError(
            f"the adapter is for another model: {name} is {list(tensor.shape)} here and"
            f" {list(shape)} there"
        )


def _buffer(tensor: Tensor) -> memoryview:
    array: Any = tensor.reshape(-1).view(torch.uint8).numpy()
    return memoryview(array)


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(_buffer(tensor))
    return digest.hexdigest()
