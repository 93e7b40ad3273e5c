"""A checkpoint with another layer plan and other positions, as a folder that transformers loads."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from farspan.errors import RequestError
from farspan.files import told_if_full
from farspan.models.config import MODEL_TYPE, ModelConfig
from farspan.models.default import DEFAULT_MODEL
from farspan.models.huggingface import find_checkpoint
from farspan.models.load import LoadedModel, Say, load_model
from farspan.models.plan import Plan
from farspan.models.tokenizer import read_json
from farspan.models.tokenizer_files import write_tokenizer

COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "generation_config.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "LICENSE",
)
"""What goes along as it is, where the checkpoint's folder has it."""

ANY_LENGTH = 10 << 20
"""The length that is written where plan and positions bound none: 10m tokens."""


@dataclass(frozen=True)
class Conversion:
    """What was written; `added` counts the parameters that the checkpoint lacked."""

    model: str
    folder: str
    plan: str
    position: str
    dtype: str
    parameters: int
    added: int
    longest: int


def convert(
    model: str,
    folder: str | Path,
    *,
    plan: str | None = None,
    position: str | None = None,
    factor: float | None = None,
    dtype: str | None = None,
    adapter: bool = True,
    force: bool = False,
    say: Say = lambda message: None,
) -> Conversion:
    """Writes a checkpoint with a layer plan and positions into a folder, whole or not at all.

    Nothing is trained: weights stay, what mixers add starts so that the model equals its window
    form. Options are those of `load_model`; `dtype` is by default the checkpoint's own. Raises
    `RequestError` for what `load_model` refuses, and for a folder that is not empty unless `force`
    is given and a model is in it.
    """
    target = Path(folder).expanduser()
    source = None if model == DEFAULT_MODEL else find_checkpoint(model)
    check_target(target, source, force)
    loaded = load_model(
        model,
        plan=plan,
        device="cpu",
        dtype=dtype or stored_dtype(source),
        adapter=adapter,
        position=position,
        factor=factor,
        say=say if model == DEFAULT_MODEL else _quiet,  # how it would read is not the question
    )
    say(f"writing {target}")
    with replaced(target) as fresh:
        return _write(loaded, source, fresh, target)


def check_target(target: Path, source: Path | None, force: bool) -> None:
    """Raises `RequestError` for a folder that a conversion must not take the place of."""
    if target.exists() and not target.is_dir():
        raise RequestError(f"{target} is a file; name a folder with -o")
    if source is not None and target.exists() and source.samefile(target):
        raise RequestError(f"{target} is the checkpoint itself; name another folder with -o")
    if target.is_dir() and any(target.iterdir()):
        if not force:
            raise RequestError(
                f"{target} is not empty; name another folder, or say --force to replace the model"
                " in it"
            )
        if not (target / "config.json").is_file():
            raise RequestError(
                f"{target} holds no model but other files, which --force does not delete; name"
                " another folder"
            )


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A fresh folder that takes the target's place if all goes well, and vanishes if not."""
    mark = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    fresh, old = (target.with_name(f".{target.name}.{mark}.{end}") for end in ("part", "old"))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir()
        with told_if_full(target.parent):
            yield fresh
        if target.exists():
            target.rename(old)
        fresh.rename(target)
    except SafetensorError as error:
        raise RequestError(f"{target} cannot be written: {error}") from error
    except PermissionError as error:
        raise RequestError(
            f"{target} cannot be written ({error.strerror}); name another folder with -o"
        ) from error
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for path in (fresh, old):
            shutil.rmtree(path, ignore_errors=True)


def _quiet(message: str) -> None:
    """Says nothing."""


def stored_dtype(source: Path | None) -> str:
    """The name of what a checkpoint's weights are stored in; bfloat16 if it does not say."""
    if source is None or not source.is_dir() or not (source / "config.json").is_file():
        return "bfloat16"
    about = read_json(source / "config.json")
    name = str(about.get("dtype") or about.get("torch_dtype") or "bfloat16")
    return name if name in ("bfloat16", "float16", "float32") else "bfloat16"


def _write(loaded: LoadedModel, source: Path | None, fresh: Path, target: Path) -> Conversion:
    decoder = loaded.decoder
    if source is not None and source.is_dir():
        for name in COPIED:
            if (source / name).is_file():
                shutil.copyfile(source / name, fresh / name)
    else:
        write_tokenizer(loaded.tokenizer, fresh)
    about = folder_config(decoder.config, decoder.plan, decoder.dtype)
    (fresh / "config.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    tensors = {name: x.contiguous() for name, x in decoder.hugging_face_tensors().items()}
    save_file(tensors, str(fresh / "model.safetensors"), {"format": "pt"})
    return Conversion(
        loaded.name,
        str(target),
        about["plan"],
        about["position"],
        loaded.dtype,
        sum(x.numel() for x in tensors.values()),
        sum(x.numel() for x in decoder.added_parameters().values()),
        about["max_position_embeddings"],
    )


def folder_config(config: ModelConfig, plan: Plan, dtype: torch.dtype) -> dict[str, Any]:
    """The config.json of a converted checkpoint; `ModelConfig.from_hugging_face` reads it back."""
    rope = {"rope_type": "default", **config.rope_scaling, "rope_theta": config.rope_theta}
    eos = list(config.eos_token_ids)
    about = {
        "architectures": ["FarspanForCausalLM"],
        "model_type": MODEL_TYPE,
        "family": config.family,
        "plan": str(plan),
        "position": config.position,
        "context_length": config.context_length,
        "max_position_embeddings": longest(config, plan),
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": "gelu_pytorch_tanh" if config.is_gemma else "silu",
        "rms_norm_eps": config.norm_eps,
        "rope_parameters": rope,
        "attention_bias": config.qkv_bias,
        "tie_word_embeddings": config.tied_embeddings,
        "bos_token_id": config.bos_token_id,
        "eos_token_id": eos[0] if len(eos) == 1 else eos or None,
        "dtype": str(dtype).removeprefix("torch."),
    }
    if config.local_layers:
        about["local_theta"], about["local_layers"] = config.local_theta, list(config.local_layers)
    if config.query_scale != 1.0:
        about["query_scale"] = config.query_scale
    return about


def longest(config: ModelConfig, plan: Plan) -> int:
    """Tokens that the positions are good for: what the methods stretch to."""
    reach = config.reach if sees_far(config, plan) else None
    return max(ANY_LENGTH, config.context_length) if reach is None else reach


def sees_far(config: ModelConfig, plan: Plan) -> bool:
    """Whether a layer compares positions at any distance: not those with a window or without."""
    return any(
        spec.grows and getattr(spec, "position", "none") != "none" and i not in config.local_layers
        for i, spec in enumerate(plan.layers)
    )
