"""The shape of a decoder, whatever checkpoint it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from farspan.errors import RequestError
from farspan.models.families import (
    DEFAULTS,
    FAMILIES,
    GEMMA,
    UNSUPPORTED,
    global_rope,
    local_theta,
    sliding_layers,
    trained_plan,
)
from farspan.positions.alibi import Alibi
from farspan.positions.base import TRAINED
from farspan.positions.registry import Positions, parse_positions
from farspan.positions.rotary import Rotary

_NEED_LENGTH = ("dynamic", "yarn", "longrope", "llama3")
MODEL_TYPE = "farspan"
"""What the config.json of a converted checkpoint calls its model."""


@dataclass(frozen=True)
class ModelConfig:
    """Sizes and switches of a Llama-shaped decoder.

    Sizes count features or tokens; `context_length` is the length the checkpoint was trained at.
    `rope_scaling` is the checkpoint's own dictionary, or empty; `position` names methods that go in
    its place or beside it (`positions.registry`); `local_layers` turn by `local_theta` alone
    (Gemma 3). Queries are scaled by `query_scale` beside the usual root. `plan` is the layer plan
    that the checkpoint brings or was trained with, empty for full attention. Raises `RequestError`
    for unknown families and sizes that do not fit each other.
    """

    family: str
    vocab_size: int
    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    d_ff: int
    context_length: int
    rope_theta: float = 10_000.0
    rope_scaling: Mapping[str, Any] = field(default_factory=dict)
    norm_eps: float = 1e-5
    tied_embeddings: bool = False
    qkv_bias: bool = False
    qk_norm: bool = False
    bos_token_id: int | None = None
    eos_token_ids: tuple[int, ...] = ()
    position: str = ""
    plan: str = ""
    query_scale: float = 1.0
    local_theta: float = 10_000.0
    local_layers: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise RequestError(
                f"model family {self.family!r} is not supported; use one of {', '.join(FAMILIES)}"
            )
        for name in ("vocab_size", "d_model", "n_layers", "n_heads", "n_kv_heads", "head_dim"):
            if getattr(self, name) < 1:
                raise RequestError(f"model config: {name} is {getattr(self, name)}, must be >= 1")
        if self.n_heads % self.n_kv_heads:
            raise RequestError(
                f"model config: {self.n_heads} heads do not divide into {self.n_kv_heads} groups"
            )

    @classmethod
    def from_hugging_face(cls, config: Mapping[str, Any]) -> ModelConfig:
        """From the dictionary of a Hugging Face `config.json` (transformers 4 or 5 layout)."""
        family, brought = str(config.get("model_type", "unknown")), str(config.get("plan") or "")
        if family == MODEL_TYPE:
            family = str(config.get("family", "unknown"))
            local = {x: config[x] for x in ("query_scale", "local_theta") if x in config}
            local["local_layers"] = tuple(config.get("local_layers") or ())
            _check_family(family)
        else:
            _check_family(family)
            config = {**DEFAULTS.get(family, {}), **_given(config)}
            local, brought = _local(family, config), trained_plan(config)
        rope = global_rope(config)
        theta = rope.pop("rope_theta", None) or config.get("rope_theta") or 10_000.0
        rope = _completed(rope, config)
        n_heads = int(config["num_attention_heads"])
        eos = config.get("eos_token_id")
        eos_ids = () if eos is None else tuple(eos) if isinstance(eos, list) else (int(eos),)
        return cls(
            family=family,
            vocab_size=int(config["vocab_size"]),
            d_model=int(config["hidden_size"]),
            n_layers=int(config["num_hidden_layers"]),
            n_heads=n_heads,
            n_kv_heads=int(config.get("num_key_value_heads") or n_heads),
            head_dim=int(config.get("head_dim") or config["hidden_size"] // n_heads),
            d_ff=int(config["intermediate_size"]),
            context_length=int(
                config.get("context_length") or config.get("max_position_embeddings", 2048)
            ),
            rope_theta=float(theta),
            rope_scaling=rope,
            norm_eps=float(config.get("rms_norm_eps", 1e-6)),
            tied_embeddings=bool(config.get("tie_word_embeddings", False)),
            qkv_bias=family == "qwen2" or bool(config.get("attention_bias", False)),
            qk_norm=family in ("qwen3", "gemma3_text"),
            bos_token_id=config.get("bos_token_id"),
            eos_token_ids=eos_ids,
            position=str(config.get("position") or ""),
            plan=brought,
            **local,
        )

    @property
    def is_gemma(self) -> bool:
        """Embeddings scaled by the root of their size, norms by 1 + weight, GELU in the MLP."""
        return self.family in GEMMA

    @property
    def sandwich(self) -> bool:
        """Whether what mixer and MLP give is normed too, before it is added (Gemma 3)."""
        return self.family == "gemma3_text"

    @property
    def trained_length(self) -> int:
        """Tokens that the weights were trained at, before any stretching."""
        return int(self.rope_scaling.get(TRAINED, self.context_length))

    @property
    def reach(self) -> int | None:
        """Tokens that the positions are good for, stretched or not; None is any number."""
        own = parse_positions(self.position, self.trained_length) if self.position else Positions()
        method = own.scores or own.rotary
        return self.context_length if method is None else method.reach(self.trained_length)

    def rotary_of(self, layer: int) -> Rotary:
        """What a layer knows of positions."""
        if layer in self.local_layers:
            return Rotary(self.head_dim, self.local_theta)
        return self.rotary()

    def rotary(self) -> Rotary:
        """What the layers know of positions, local ones aside."""
        own = Positions()
        if self.position:
            own = parse_positions(self.position, self.trained_length)
        scaling = own.rotary.to_scaling() if own.rotary else self.rope_scaling
        return Rotary(self.head_dim, self.rope_theta, scaling, own.scores, own.temperature)

    def stretched(self, position: str, factor: float | None = None) -> ModelConfig:
        """The same with the position methods that a user names, such as `yarn(32)`.

        Raises `RequestError` for methods that are unknown or do not fit the checkpoint.
        """
        own = parse_positions(position, self.trained_length, factor)
        if isinstance(own.scores, Alibi) and not own.scores.replace_rotary:
            raise RequestError(
                f"position {position!r}: this {self.family} checkpoint was trained with rotary"
                " embedding, which ALiBi would replace, so it would have to be trained again; say"
                " alibi(replace_rotary=true) if you mean that"
            )
        config = replace(self, position=str(own))
        config.rotary()
        return config


def _check_family(family: str) -> None:
    if family not in FAMILIES:
        reason = UNSUPPORTED.get(family, f"use one of {', '.join(FAMILIES)}")
        raise RequestError(f"model type {family!r} is not supported: {reason}")


def _given(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config.json without the keys that it leaves open."""
    return {key: value for key, value in config.items() if value is not None}


def _local(family: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that Gemma 3 alone has."""
    if family != "gemma3_text":
        return {}
    scalar, width = float(config["query_pre_attn_scalar"]), int(config["head_dim"])
    return {
        "query_scale": (width / scalar) ** 0.5,
        "local_theta": local_theta(config),
        "local_layers": sliding_layers(config),
    }


def _completed(rope: dict[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's rotary dictionary with the lengths that stand elsewhere in its config."""
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        share = rope.get("partial_rotary_factor", config.get("partial_rotary_factor")) or 1.0
        return {} if share == 1.0 else {"rope_type": "default", "partial_rotary_factor": share}
    context = int(config.get("max_position_embeddings", 2048))
    if kind in _NEED_LENGTH:
        rope[TRAINED] = rope.get(TRAINED) or config.get(TRAINED) or context
        rope["factor"] = rope.get("factor") or context / rope[TRAINED]
    return rope
