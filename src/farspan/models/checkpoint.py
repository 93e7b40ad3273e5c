"""Which tensors a checkpoint of a given config must hold, by Hugging Face name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor

from farspan.errors import DamagedFileError, RequestError
from farspan.models.config import ModelConfig


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a checkpoint; `lm_head.weight` only when it is untied."""
    c = config
    queries, keys = c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim
    layer: dict[str, tuple[int, ...]] = {
        "input_layernorm.weight": (c.d_model,),
        "self_attn.q_proj.weight": (queries, c.d_model),
        "self_attn.k_proj.weight": (keys, c.d_model),
        "self_attn.v_proj.weight": (keys, c.d_model),
        "self_attn.o_proj.weight": (c.d_model, queries),
        "post_attention_layernorm.weight": (c.d_model,),
        "mlp.gate_proj.weight": (c.d_ff, c.d_model),
        "mlp.up_proj.weight": (c.d_ff, c.d_model),
        "mlp.down_proj.weight": (c.d_model, c.d_ff),
    }
    if c.qkv_bias:
        layer |= {
            "self_attn.q_proj.bias": (queries,),
            "self_attn.k_proj.bias": (keys,),
            "self_attn.v_proj.bias": (keys,),
        }
    if c.sandwich:
        layer |= {
            "pre_feedforward_layernorm.weight": (c.d_model,),
            "post_feedforward_layernorm.weight": (c.d_model,),
        }
    if c.qk_norm:
        layer |= {
            "self_attn.q_norm.weight": (c.head_dim,),
            "self_attn.k_norm.weight": (c.head_dim,),
        }
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (c.vocab_size, c.d_model)}
    for i in range(c.n_layers):
        shapes |= {f"model.layers.{i}.{name}": shape for name, shape in layer.items()}
    shapes["model.norm.weight"] = (c.d_model,)
    if not c.tied_embeddings:
        shapes["lm_head.weight"] = (c.vocab_size, c.d_model)
    return shapes


def check_tensors(config: ModelConfig, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise `DamagedFileError` for missing tensors and wrong shapes, `RequestError` for others.

    A checkpoint with a plan may hold what its mixers add, which is checked when it is used.
    """
    if config.n_layers > len(tensors):  # before listing what a damaged number asks for
        raise DamagedFileError(f"{path} lacks most of the {config.n_layers} layers of its config")
    expected = expected_shapes(config)
    if missing := [name for name in expected if name not in tensors]:
        raise DamagedFileError(f"{path} lacks {_some(missing)}")
    for name, shape in expected.items():
        found = tuple(tensors[name].shape)
        if found != shape:
            raise DamagedFileError(
                f"{path}: {name} is {list(found)}, but its config asks for {list(shape)}"
            )
    added = re.compile(r"model\.layers\.\d+\.mixer\..+") if config.plan else None
    if others := [
        name
        for name in tensors
        if name not in expected and not (added is not None and added.fullmatch(name))
    ]:
        raise RequestError(
            f"{path} holds {_some(others)}, which a {config.family} decoder does not use;"
            " such a checkpoint is not supported"
        )


def _some(names: Iterable[str]) -> str:
    first, *rest = sorted(names)
    return f"the tensor {first}" + (f" and {len(rest)} others" if rest else "")
