"""LoRA through peft (Hu et al. 2021), and beside it, always, what a plan's mixers added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from farspan.errors import RequestError
from farspan.models.decoder import Decoder, hugging_face_names

TARGETS = ("qkv", "out", "gate_up", "down")
"""The linear maps that get a low-rank part."""

WEIGHTS = "adapter_model.safetensors"


def add_lora(decoder: Decoder, rank: int, alpha: float | None = None) -> Any:
    """Puts low-rank parts beside the decoder's maps, in place; returns peft's config.

    Raises `RequestError` without peft or for a rank below 1.
    """
    if rank < 1:
        raise RequestError(f"lora_rank is {rank}, must be 1 or more to train lora")
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise RequestError("LoRA needs peft: pip install 'farspan[lora]'") from error
    config = LoraConfig(
        r=rank, lora_alpha=int(alpha or 2 * rank), target_modules=list(TARGETS), lora_dropout=0.0
    )
    inject_adapter_in_model(config, decoder)
    return config


def base_name(name: str) -> str:
    """A parameter's name as it was before low-rank parts stood beside it."""
    return name.replace(".base_layer.", ".")


def is_new(decoder: Decoder, name: str) -> bool:
    """Whether a parameter is a low-rank part or one that no checkpoint brings."""
    return base_name(name) not in hugging_face_names(decoder.config)


def new_tensors(decoder: Decoder) -> dict[str, Tensor]:
    """Everything that is saved of an adapted decoder, by name."""
    return {
        name: parameter.detach().cpu().contiguous()
        for name, parameter in decoder.named_parameters()
        if is_new(decoder, name) and not name.startswith("head.")
    }


def save_lora(decoder: Decoder, config: Any, folder: Path) -> None:
    """Writes peft's two files; the weights hold the plan's new parts too."""
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    save_file(new_tensors(decoder), folder / WEIGHTS, metadata={"plan": str(decoder.plan)})


@torch.no_grad()
def load_lora(decoder: Decoder, folder: Path) -> None:
    """Adds what `save_lora` wrote to a base; `RequestError` if it is for another model."""
    from peft import LoraConfig

    config = LoraConfig.from_pretrained(str(folder))
    add_lora(decoder, config.r, config.lora_alpha)
    stored, own = load_file(folder / WEIGHTS), dict(decoder.named_parameters())
    for name, tensor in stored.items():
        if name not in own or own[name].shape != tensor.shape:
            raise RequestError(f"the adapter {folder} is for another model: it has {name}")
        own[name].copy_(tensor)
