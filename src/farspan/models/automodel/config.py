"""The config of a converted checkpoint, as transformers reads it from config.json."""

from __future__ import annotations

from functools import cache
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from farspan.models.config import MODEL_TYPE, ModelConfig
from farspan.models.plan import Plan, parse_plan


@strict
class FarspanConfig(PreTrainedConfig):
    """Sizes under transformers' names, and what farspan adds: `family`, `plan` and `position`.

    `family` is the checkpoint's own architecture, `context_length` the tokens it was trained at,
    `max_position_embeddings` those that it reads now. The first config that is made registers the
    model class, so that a table of configs costs no torch.
    """

    model_type = MODEL_TYPE
    keys_to_ignore_at_inference = ("cache", "past_key_values")

    family: str = "llama"
    plan: str = "full"
    position: str = ""
    context_length: int | None = None
    query_scale: float = 1.0
    local_theta: float = 10_000.0
    local_layers: list[int] | None = None
    vocab_size: int = 32_000
    hidden_size: int = 576
    intermediate_size: int = 1536
    num_hidden_layers: int = 30
    num_attention_heads: int = 9
    num_key_value_heads: int | None = None
    head_dim: int | None = None
    hidden_act: str = "silu"
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-5
    rope_parameters: dict | None = None
    attention_bias: bool = False
    tie_word_embeddings: bool = False
    initializer_range: float = 0.02
    use_cache: bool = True
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Fills what follows from other fields."""
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        if self.head_dim is None:
            self.head_dim = self.hidden_size // self.num_attention_heads
        super().__post_init__(**kwargs)
        _register_model()

    @property
    def layer_types(self) -> list[str]:
        """Each layer keeps a state of its own kind, `automodel.cache.LayerCache`."""
        return [MODEL_TYPE] * self.num_hidden_layers

    def validate_layer_type(self) -> None:
        """farspan's layers are described by `plan`, which `parsed_plan` checks."""

    def model_config(self) -> ModelConfig:
        """The same in farspan's words; `RequestError` for what does not fit."""
        return ModelConfig.from_hugging_face(self.to_dict())

    def parsed_plan(self) -> Plan:
        """The layer plan; `RequestError` if it cannot be read."""
        return parse_plan(self.plan, self.num_hidden_layers)


@cache
def _register_model() -> None:
    from transformers import AutoModelForCausalLM

    from farspan.models.automodel.model import FarspanForCausalLM

    AutoModelForCausalLM.register(FarspanConfig, FarspanForCausalLM, exist_ok=True)
