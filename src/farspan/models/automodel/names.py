"""How a checkpoint's tensor names become the decoder's, told to transformers' loader.

The checkpoint keeps Hugging Face's names and matrices; the decoder stacks some of them. What mixers
add (gates, memories) has the decoder's own names.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import ConversionOps, WeightConverter, WeightRenaming

from farspan.models.config import MODEL_TYPE
from farspan.models.decoder import stacked_rows

STACKS = {
    "mixer.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "mlp.gate_up": ("mlp.gate_proj", "mlp.up_proj"),
}
"""Modules of the decoder, and those of a checkpoint whose rows they stack."""

RENAMED = {
    "self_attn.o_proj": "mixer.out",
    "self_attn.q_norm": "mixer.q_norm",
    "self_attn.k_norm": "mixer.k_norm",
    "mlp.down_proj": "mlp.down",
    "input_layernorm": "mixer_norm",
    "post_attention_layernorm": "mlp_norm",
    "pre_feedforward_layernorm": "before_mlp",
    "post_feedforward_layernorm": "after_mlp",
    "embed_tokens": "embed",
    "lm_head": "model.head",
}
"""Modules of a checkpoint, and what the decoder calls them."""


def register_names() -> None:
    """Tells the loader and its reverse, which writes checkpoints."""
    mapping: list[WeightConverter | WeightRenaming] = [
        WeightRenaming(theirs, ours) for theirs, ours in RENAMED.items()
    ]
    mapping += [
        WeightConverter(list(theirs), ours, operations=[Stack()]) for ours, theirs in STACKS.items()
    ]
    register_checkpoint_conversion_mapping(MODEL_TYPE, mapping, overwrite=True)


class Stack(ConversionOps):
    """Rows below each other, in the order of the patterns."""

    def convert(
        self,
        input_dict: dict[str, Any],
        source_patterns: list[str],
        target_patterns: list[str],
        **kwargs: Any,
    ) -> Any:
        """The stacked tensor under the target's name."""
        parts = [_tensor(input_dict[pattern]) for pattern in source_patterns]
        return {target_patterns[0]: torch.cat(parts)}

    @property
    def reverse_op(self) -> ConversionOps:
        """Cuts it up again."""
        return Cut()


class Cut(ConversionOps):
    """The rows that belong to each target, by the sizes in the model's config."""

    def convert(
        self,
        input_dict: dict[str, Any],
        source_patterns: list[str],
        target_patterns: list[str],
        **kwargs: Any,
    ) -> Any:
        """The parts under the targets' names."""
        sizes = stacked_rows(kwargs["config"].model_config())
        parts = _tensor(next(iter(input_dict.values()))).split(
            [sizes[target.split(".")[1]] for target in target_patterns]
        )
        return {k: part.contiguous() for k, part in zip(target_patterns, parts, strict=True)}

    @property
    def reverse_op(self) -> ConversionOps:
        """Stacks them again."""
        return Stack()


def _tensor(value: Any) -> Tensor:
    """A tensor that may come in a list of one."""
    return value[0] if isinstance(value, list) else value
