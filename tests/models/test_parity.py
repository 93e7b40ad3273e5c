"""Logits equal those of transformers on the same weights, full attention, float32."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from farspan.mixers.base import Tokens
from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder
from farspan.models.plan import parse_plan

transformers = pytest.importorskip("transformers")

SIZES = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-6,
    "attn_implementation": "eager",
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LONGROPE = {
    "rope_type": "longrope",
    "original_max_position_embeddings": 64,
    "short_factor": [1.0, 1.1, 1.2, 1.3],
    "long_factor": [1.0, 1.5, 3.0, 7.0],
}
CASES = {  # transformers' config, then what is asked of farspan with which base
    "llama": ("LlamaConfig", {"rope_theta": 1e4}),
    "llama-tied": ("LlamaConfig", {"tie_word_embeddings": True, "head_dim": 16}),
    "llama-llama3": ("LlamaConfig", {"rope_scaling": {**LLAMA3, "rope_theta": 5e5}}),
    "llama-linear": ("LlamaConfig", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    "llama-dynamic": (
        "LlamaConfig",
        {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}, "max_position_embeddings": 64},
        "dynamic(2, tokens=100, trained=64)",
    ),
    "llama-longrope": (
        "LlamaConfig",
        {"rope_scaling": LONGROPE, "max_position_embeddings": 512},
    ),
    "llama-proportional": (
        "LlamaConfig",
        {"rope_scaling": {"rope_type": "proportional", "partial_rotary_factor": 0.5}},
    ),
    "llama-ntk": ("LlamaConfig", {"rope_theta": 1e4 * 4 ** (8 / 6)}, "ntk(4)", 1e4),
    "llama-yarn-asked": ("LlamaConfig", {"rope_scaling": YARN}, "yarn(4, trained=64)"),
    "qwen2": ("Qwen2Config", {"rope_theta": 1e6}),
    "qwen2-yarn": ("Qwen2Config", {"rope_scaling": YARN}),
    "qwen3": ("Qwen3Config", {"head_dim": 16}),
    "mistral": ("MistralConfig", {"sliding_window": None, "head_dim": 8}),
}


def ours(config: ModelConfig, tensors: dict[str, torch.Tensor], ids: torch.Tensor) -> torch.Tensor:
    decoder = Decoder(config, parse_plan("full", config.n_layers)).eval()
    decoder.load_hugging_face(tensors)
    state = decoder.init_state(ids.shape[0])
    logits = []
    with torch.no_grad():
        for start, stop in ((0, 50), (50, 51), (51, ids.shape[1])):
            tokens = Tokens.plain(ids.shape[0], stop - start, start=start, first_asked=0)
            features, state = decoder(ids[:, start:stop], tokens, state)
            logits.append(decoder.logits(features))
    return torch.cat(logits, dim=1)


@pytest.mark.parametrize("case", CASES)
def test_tiny_models_of_each_family(case):
    name, extra, *asked = CASES[case]
    torch.manual_seed(3)
    config = getattr(transformers, name)(**SIZES | extra)
    model = transformers.AutoModelForCausalLM.from_config(config).eval().float()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    ids = torch.randint(96, (2, 100))
    with torch.no_grad():
        wanted = model(ids).logits
    tensors = dict(model.state_dict())
    mine = ModelConfig.from_hugging_face(config.to_dict())
    if asked:
        theta = asked[1] if len(asked) > 1 else mine.rope_theta
        mine = replace(mine, rope_scaling={}, rope_theta=theta).stretched(asked[0])
    torch.testing.assert_close(ours(mine, tensors, ids), wanted, atol=1e-3, rtol=0)


def test_the_default_model_itself():
    """SmolLM2-135M-Instruct, fetched as a user would; skipped only where that is impossible."""
    from farspan.errors import RequestError
    from farspan.evaluation.peers import load_transformers
    from farspan.models.default import default_model_path
    from farspan.models.gguf import read_gguf

    try:
        path = default_model_path(lambda _: None)
    except RequestError as error:
        pytest.skip(str(error))
    config, tensors, tokenizer = read_gguf(path)
    text = "In a village of La Mancha, the name of which I have no desire to call to mind, " * 8
    ids = torch.tensor([tokenizer.encode(text)])[:, :120]
    model = load_transformers(str(path), torch.float32).eval()
    with torch.no_grad():
        wanted = model(ids).logits
    torch.testing.assert_close(ours(config, tensors, ids), wanted, atol=1e-3, rtol=0)
