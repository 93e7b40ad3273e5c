"""The same weights in llama.cpp's quantisations, so that it can be a peer of the benchmark."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from farspan.paths import cache_folder


def quantised_gguf(base: str, qtype: str, folder: Path | None = None) -> Path:
    """The base GGUF with linears as `qtype`, made once and kept in the user's cache folder."""
    if folder is None:
        folder = cache_folder() / "peers"
    with open(base, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    path = folder / f"{digest}-{qtype}.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            write_gguf(part, base, qtype)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def write_gguf(path: str | Path, base_gguf: str | Path, qtype: str) -> None:
    """Copy a GGUF file with its linears requantised to `qtype` ("q4_0", "q8_0").

    Embedding and output stay finer, at Q8_0; vectors stay as they are. The quantiser is the gguf
    library's own, on the dequantised weights of the base.
    """
    import gguf
    from gguf.quants import dequantize, quantize

    kind = gguf.GGMLQuantizationType[qtype.upper()]
    reader = gguf.GGUFReader(base_gguf)
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name not in (
            "general.architecture",
            "general.file_type",
        ):
            sub_type = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=sub_type)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{qtype.upper()}"])
    for tensor in reader.tensors:
        if len(tensor.shape) < 2:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
            continue
        coarse = tensor.name not in ("token_embd.weight", "output.weight")
        target = kind if coarse else gguf.GGMLQuantizationType.Q8_0
        weights = quantize(dequantize(tensor.data, tensor.tensor_type), target)
        writer.add_tensor(tensor.name, weights, raw_dtype=target)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
