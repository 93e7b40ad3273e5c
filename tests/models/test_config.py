"""Configs from Hugging Face dictionaries, and what they refuse."""

from __future__ import annotations

import dataclasses

import pytest

from farspan.errors import RequestError
from farspan.models.config import ModelConfig

LLAMA = {
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "eos_token_id": [2, 3],
}


def test_both_layouts_of_rotary_settings_mean_the_same():
    old = {**LLAMA, "rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0}}
    new = {**LLAMA, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5e5}}
    for found in (ModelConfig.from_hugging_face(x) for x in (old, new)):
        assert found.rope_theta == 5e5
        assert found.rope_scaling["factor"] == 2.0


def test_defaults_follow_the_field():
    config = ModelConfig.from_hugging_face(LLAMA)
    assert (config.n_kv_heads, config.head_dim) == (4, 8)
    assert config.eos_token_ids == (2, 3)
    assert ModelConfig.from_hugging_face({**LLAMA, "model_type": "qwen2"}).qkv_bias


def test_nonsense_is_refused():
    with pytest.raises(RequestError, match="bert"):
        ModelConfig.from_hugging_face({**LLAMA, "model_type": "bert"})
    config = ModelConfig.from_hugging_face(LLAMA)
    with pytest.raises(RequestError, match="divide"):
        dataclasses.replace(config, n_kv_heads=3)
    with pytest.raises(RequestError, match="n_layers"):
        dataclasses.replace(config, n_layers=0)


def test_lengths_that_scalings_leave_out_are_those_of_the_config():
    rope = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0] * 4}
    about = {**LLAMA, "rope_scaling": rope, "max_position_embeddings": 4096}
    config = ModelConfig.from_hugging_face(about | {"original_max_position_embeddings": 1024})
    assert (config.trained_length, config.rope_scaling["factor"]) == (1024, 4.0)
    rope = {"rope_type": "dynamic", "factor": 2.0}
    config = ModelConfig.from_hugging_face({**LLAMA, "rope_scaling": rope})
    assert config.trained_length == 2048


def test_stretching_keeps_the_checkpoint_and_names_what_was_chosen():
    config = ModelConfig.from_hugging_face(LLAMA)
    longer = config.stretched("yarn", 4)
    assert longer.position == "yarn(factor=4, trained=2048)"
    assert longer.rotary().frequencies()[1] > 1 == config.rotary().frequencies()[1]
    both = config.stretched("self_extend(4)+log_length").rotary()
    assert both.scores is not None and both.temperature is not None and both.scaling == {}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("alibi", "replace_rotary=true"),
        ("longrope(2, short_factor=1/1, long_factor=2/2)", "4 divisors"),
        ("yarn(2)+yarn(2)", "names both"),
    ],
)
def test_positions_that_do_not_fit_are_refused(asked, said):
    with pytest.raises(RequestError, match=said):
        ModelConfig.from_hugging_face(LLAMA).stretched(asked)
