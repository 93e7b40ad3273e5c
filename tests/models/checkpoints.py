"""Tiny random checkpoints of each family, written as transformers writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tests.tiny import TEMPLATE, make_tokenizer

SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-6,
}
FAMILIES = ("llama", "qwen2", "qwen3", "mistral", "gemma", "gemma3_text")
OWN = {
    "mistral": {"sliding_window": None},
    "gemma3_text": {
        "sliding_window": 16,
        "query_pre_attn_scalar": 12,
        "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    },
}


def write_checkpoint(folder: Path, family: str = "llama", **changes: Any) -> Any:
    """The folder's model, float32, evaluating; its tokenizer is that of `tests.tiny`."""
    import transformers

    tokenizer = make_tokenizer()
    torch.manual_seed(len(family))
    end = tokenizer.eos_ids[0]
    config = transformers.AutoConfig.for_model(
        family,
        vocab_size=tokenizer.vocab_size,
        bos_token_id=tokenizer.bos_id,
        eos_token_id=end,
        **SIZES | OWN.get(family, {}) | changes,
    )
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).eval().float()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    model.save_pretrained(folder)
    tokenizer._backend.save(str(folder / "tokenizer.json"))
    about = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    about |= {"chat_template": TEMPLATE, "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return model
