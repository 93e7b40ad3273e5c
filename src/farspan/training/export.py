"""A trained decoder as a folder in Hugging Face's layout: config, safetensors, tokenizer."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder, hugging_face_names
from farspan.models.tokenizer import Tokenizer
from farspan.parallel.fsdp import whole
from farspan.parallel.mesh import Mesh

CLASSES = {
    "llama": "LlamaForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "mistral": "MistralForCausalLM",
}


def export(decoder: Decoder, folder: Path, mesh: Mesh, tokenizer: Tokenizer | None = None) -> Path:
    """Writes `folder`, whole or not at all; all ranks call it, the first one writes.

    Weights have Hugging Face's names; what a plan's mixers add to them has the decoder's own and
    lies in `added.safetensors`, so that other programs load the rest as it is. `farspan_plan` in
    config.json is the layer plan.
    """
    tensors = {name: whole(p).detach().cpu() for name, p in decoder.named_parameters()}
    if mesh.is_first:
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        known = hugging_face_names(decoder.config)
        theirs = _split(decoder, {name: x for name, x in tensors.items() if name in known})
        save_file(theirs, part / "model.safetensors", metadata={"format": "pt"})
        added = {name: x.contiguous() for name, x in tensors.items() if name not in known}
        if added:
            save_file(added, part / "added.safetensors", metadata={"format": "pt"})
        config = hugging_face_config(decoder.config, str(decoder.plan), decoder.dtype)
        (part / "config.json").write_text(json.dumps(config, indent=2))
        if tokenizer is not None:
            tokenizer.save(part)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)
    torch.distributed.barrier()
    return folder


def _split(decoder: Decoder, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Fused matrices as Hugging Face has them."""
    found = {}
    sizes = row_sizes(decoder.config)
    for target, names in hugging_face_names(decoder.config).items():
        if target not in tensors:
            continue  # a tied head is the embedding
        rows = [sizes.get(name.split(".")[-2], len(tensors[target])) for name in names]
        for name, part in zip(names, tensors[target].split(rows), strict=True):
            found[name] = part.contiguous()
    return found


def row_sizes(config: ModelConfig) -> dict[str, int]:
    """Rows of the projections that are fused."""
    return {
        "q_proj": config.n_heads * config.head_dim,
        "k_proj": config.n_kv_heads * config.head_dim,
        "v_proj": config.n_kv_heads * config.head_dim,
        "gate_proj": config.d_ff,
        "up_proj": config.d_ff,
    }


def hugging_face_config(config: ModelConfig, plan: str, dtype: torch.dtype) -> dict[str, Any]:
    """What `ModelConfig.from_hugging_face` reads, and transformers too."""
    found: dict[str, Any] = {
        "architectures": [CLASSES[config.family]],
        "model_type": config.family,
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.d_ff,
        "max_position_embeddings": config.context_length,
        "rope_theta": config.rope_theta,
        "rms_norm_eps": config.norm_eps,
        "tie_word_embeddings": config.tied_embeddings,
        "hidden_act": "silu",
        "bos_token_id": config.bos_token_id,
        "eos_token_id": list(config.eos_token_ids) or None,
        "dtype": str(dtype).removeprefix("torch."),
        "farspan_plan": plan,
    }
    if config.rope_scaling:
        found["rope_scaling"] = dict(config.rope_scaling)
    if config.family != "qwen2":
        found["attention_bias"] = config.qkv_bias
    return found
