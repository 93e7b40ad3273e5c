"""Loading GGUF checkpoints: any quantisation, as plain tensors with Hugging Face names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf.quants import dequantize
from torch import Tensor

from farspan.errors import DamagedFileError, RequestError
from farspan.models.checkpoint import check_tensors
from farspan.models.config import ModelConfig
from farspan.models.gguf_header import GgufHeader, GgufTensor, read_header
from farspan.models.gguf_vocabulary import tokenizer_from_gguf
from farspan.models.tokenizer import Tokenizer
from farspan.positions.rotary import Rotary

ARCHITECTURES = ("llama", "qwen2", "qwen3")
"""Values of `general.architecture` that can be read; Mistral checkpoints are stored as llama."""

_WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_IN_LAYER = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_LAYER_NAME = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)")
_ROPE_FACTORS = "rope_freqs.weight"
_CHUNK_ELEMENTS = 1 << 24
"""Elements dequantised at a time, so that a large embedding costs little beside its result."""

_ROWS_TOGETHER = 16


def read_gguf(
    path: str | Path, dtype: torch.dtype = torch.float32
) -> tuple[ModelConfig, dict[str, Tensor], Tokenizer]:
    """Config, tensors by Hugging Face name, and tokenizer of a GGUF file.

    Tensors are dequantised to `dtype`, linears as [out, in]; `lm_head.weight` is there only when
    it is not tied to the embedding. Raises `RequestError` for architectures, tokenizers and
    settings that are not supported, `DamagedFileError` for a file that is not whole.
    """
    header = read_header(path)
    parts = header.fields.get("split.count", 1)
    if parts != 1:
        raise RequestError(
            f"{path} is one of {parts} parts; join them first with llama.cpp's `gguf-split --merge`"
        )
    tokenizer = tokenizer_from_gguf(header.fields)
    config = config_from_gguf(header, tokenizer)
    tensors: dict[str, Tensor] = {}
    with open(header.path, "rb") as file:
        for stored in header.tensors.values():
            if stored.name == _ROPE_FACTORS:
                continue
            name = hugging_face_name(stored.name)
            tensors[name] = _dequantise(file, stored, dtype)
    check_tensors(config, tensors, header.path)
    if config.family == "llama":
        tensors = {name: _unpermuted(tensor, name, config) for name, tensor in tensors.items()}
    return config, tensors, tokenizer


def hugging_face_name(name: str) -> str:
    """The Hugging Face name of a GGUF tensor; `RequestError` for one that no such model has."""
    if name in _WHOLE:
        return _WHOLE[name]
    match = _LAYER_NAME.fullmatch(name)
    if match is None or match[2] not in _IN_LAYER:
        raise RequestError(
            f"this GGUF file holds the tensor {name!r}, which a Llama-shaped decoder does not have"
        )
    return f"model.layers.{match[1]}.{_IN_LAYER[match[2]]}.{match[3]}"


def config_from_gguf(header: GgufHeader, tokenizer: Tokenizer) -> ModelConfig:
    """The decoder's sizes from GGUF metadata; errors as in `read_gguf`."""
    fields = header.fields
    arch = fields.get("general.architecture")
    if arch not in ARCHITECTURES:
        raise RequestError(
            f"GGUF architecture {arch!r} is not supported; use one of {', '.join(ARCHITECTURES)}"
        )
    if fields.get(f"{arch}.expert_count", 0):
        raise RequestError("mixture-of-experts GGUF files are not supported; use a dense model")

    def field(name: str, default: Any = None) -> Any:
        value = fields.get(f"{arch}.{name}", default)
        if value is None:
            raise DamagedFileError(f"{header.path} does not say {arch}.{name}")
        if not isinstance(value, int | float):
            raise RequestError(f"{header.path}: {arch}.{name} is not one number for all layers")
        return value

    embedding = header.tensors.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise DamagedFileError(f"{header.path} holds no embedding (token_embd.weight)")
    n_heads = int(field("attention.head_count"))
    d_model = int(field("embedding_length"))
    head_dim = int(field("attention.key_length", d_model // max(n_heads, 1)))
    rotated = int(field("rope.dimension_count", head_dim))
    if rotated != head_dim or int(field("attention.value_length", head_dim)) != head_dim:
        raise RequestError(
            f"{header.path}: keys of {head_dim} features of which {rotated} are rotated are not"
            " supported; queries, keys and values must have one size and be rotated whole"
        )
    theta = float(field("rope.freq_base", 10_000.0))
    return ModelConfig(
        family=arch,
        vocab_size=embedding.shape[0],
        d_model=d_model,
        n_layers=int(field("block_count")),
        n_heads=n_heads,
        n_kv_heads=int(field("attention.head_count_kv", n_heads)),
        head_dim=head_dim,
        d_ff=int(field("feed_forward_length")),
        context_length=int(field("context_length")),
        rope_theta=theta,
        rope_scaling=_rope_scaling(header, Rotary(head_dim, theta)),
        norm_eps=_rounded(field("attention.layer_norm_rms_epsilon")),
        tied_embeddings="output.weight" not in header.tensors,
        qkv_bias="blk.0.attn_q.bias" in header.tensors,
        qk_norm="blk.0.attn_q_norm.weight" in header.tensors,
        bos_token_id=tokenizer.bos_id,
        eos_token_ids=tokenizer.eos_ids,
    )


def _rounded(stored: float) -> float:
    """1e-5 again from the 32-bit 9.999999747e-06 that the file stores."""
    return float(np.format_float_positional(np.float32(stored), unique=True))


def _rope_scaling(header: GgufHeader, rope: Rotary) -> Mapping[str, Any]:
    """Scaling of the rotary embedding in Hugging Face's words; empty for none."""
    if _ROPE_FACTORS in header.tensors:
        return _llama3_scaling(header, rope)
    arch = header.fields["general.architecture"]
    about = {
        key.removeprefix(f"{arch}.rope.scaling."): value
        for key, value in header.fields.items()
        if key.startswith(f"{arch}.rope.scaling.")
    }
    about.pop("finetuned", None)
    kind = about.pop("type", "none")
    factor = float(about.pop("factor", 1.0))
    original = about.pop("original_context_length", None)
    if kind == "none" or factor == 1.0:
        return {}
    if kind == "linear" and not about:
        return {"rope_type": "linear", "factor": factor}
    if kind == "yarn" and not about and original is not None:
        return {
            "rope_type": "yarn",
            "factor": factor,
            "original_max_position_embeddings": int(original),
        }
    raise RequestError(
        f"{header.path} scales its rotary embedding by {kind!r} with settings"
        f" {sorted(about)}, which is not supported; use a file with none, linear or plain yarn"
    )


def _llama3_scaling(header: GgufHeader, rope: Rotary) -> Mapping[str, Any]:
    """Llama 3's scaling, of which GGUF stores the result: one divisor for each frequency.

    All published Llama 3 checkpoints share the settings below and differ in the factor, which is
    the largest divisor. Divisors that these settings do not reproduce raise `RequestError`.
    """
    with open(header.path, "rb") as file:
        stored = _dequantise(file, header.tensors[_ROPE_FACTORS], torch.float64).flatten()
    scaling = {
        "rope_type": "llama3",
        "factor": round(float(stored.max()), 3),
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    made = rope.frequencies()[0] / replace(rope, scaling=scaling).frequencies()[0]
    if made.shape != stored.shape or not torch.allclose(made, stored, rtol=1e-4):
        raise RequestError(
            f"{header.path} scales its rotary embedding by factors ({_ROPE_FACTORS}) that are not"
            " Llama 3's, which is not supported; use the checkpoint's Hugging Face folder"
        )
    return scaling


def _dequantise(file: Any, stored: GgufTensor, dtype: torch.dtype) -> Tensor:
    """Read and dequantise one tensor, some rows at a time."""
    rows = stored.shape[0] if len(stored.shape) > 1 else 1
    row_bytes = stored.size // max(rows, 1)
    row_elements = stored.shape[-1]
    result = torch.empty(rows, row_elements, dtype=dtype)
    step = max(_CHUNK_ELEMENTS // max(row_elements, 1), 1)
    file.seek(stored.start)
    for first in range(0, rows, step):
        last = min(first + step, rows)
        data = np.fromfile(file, dtype=np.uint8, count=(last - first) * row_bytes)
        try:
            # The library works row by row; blocks do not care how wide a row is.
            wide = math.gcd(last - first, _ROWS_TOGETHER)
            values = dequantize(data.reshape(-1, wide * row_bytes), stored.kind)
        except NotImplementedError as error:
            raise RequestError(
                f"GGUF quantisation {stored.kind.name} is not supported by the gguf library"
            ) from error
        result[first:last] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).view(
            last - first, row_elements
        )
    return result.reshape(stored.shape)


def _unpermuted(tensor: Tensor, name: str, config: ModelConfig) -> Tensor:
    """Rows of q and k in Hugging Face's order.

    GGUF's llama converter interleaves the two halves of each head, [2, d/2] to [d/2, 2], because
    ggml rotates neighbouring features.
    """
    if ".q_proj." in name:
        heads = config.n_heads
    elif ".k_proj." in name:
        heads = config.n_kv_heads
    else:
        return tensor
    by_pair = tensor.reshape(heads, config.head_dim // 2, 2, *tensor.shape[1:])
    return by_pair.transpose(1, 2).reshape(tensor.shape)
