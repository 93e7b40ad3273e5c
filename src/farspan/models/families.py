"""What a config.json says in the words of its family: attention spans, local layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SLIDING = "sliding_attention"
GEMMA = ("gemma", "gemma3_text")
FAMILIES = ("llama", "qwen2", "qwen3", "mistral", *GEMMA)

DEFAULTS: dict[str, dict[str, Any]] = {
    "gemma": {"head_dim": 256, "tie_word_embeddings": True, "max_position_embeddings": 8192},
    "gemma3_text": {
        "head_dim": 256,
        "tie_word_embeddings": True,
        "max_position_embeddings": 131_072,
        "rope_theta": 1e6,
        "rope_local_base_freq": 1e4,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "sliding_window_pattern": 6,
    },
}
"""What a family's config.json may leave out where it differs from the other families."""

UNSUPPORTED = {
    "gemma2": "its attention caps scores, which no mixer here does; gemma and gemma3_text work",
    "gemma3": "it sees pictures; save its text model, gemma3_text, and take that",
}
"""Families that are close to the supported ones, and why they are not."""


def sliding_layers(config: Mapping[str, Any]) -> tuple[int, ...]:
    """The layers that were trained with a sliding window, bottom first."""
    count, types = int(config["num_hidden_layers"]), config.get("layer_types")
    if types is not None:
        return tuple(i for i, kind in enumerate(types) if kind == SLIDING)
    family = config.get("model_type")
    if family == "gemma3_text":
        pattern = int(config["sliding_window_pattern"])
        return tuple(i for i in range(count) if (i + 1) % pattern)
    if family == "qwen2" and config.get("use_sliding_window"):
        return tuple(range(int(config.get("max_window_layers", count)), count))
    if family == "mistral" and config.get("sliding_window"):
        return tuple(range(count))
    return ()


def trained_plan(config: Mapping[str, Any]) -> str:
    """The layer plan that a checkpoint was trained with, empty where all layers are full."""
    sliding, window = sliding_layers(config), config.get("sliding_window")
    if not sliding or not window:
        return ""
    count = int(config["num_hidden_layers"])
    return ", ".join(f"window({window})" if i in sliding else "full" for i in range(count))


def global_rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """The rotary dictionary of the layers that see everything."""
    rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    return dict(rope.get("full_attention") or {}) if SLIDING in rope else rope


def local_theta(config: Mapping[str, Any]) -> float:
    """The base of the rotary embedding of Gemma 3's sliding layers."""
    rope = (config.get("rope_parameters") or {}).get(SLIDING) or {}
    return float(rope.get("rope_theta") or config["rope_local_base_freq"])
