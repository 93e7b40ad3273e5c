"""Requests for positions: what is read, what is refused, and transformers' numbers."""

from __future__ import annotations

import json

import pytest
import torch

from farspan.errors import RequestError
from farspan.positions.registry import METHODS, Positions, parse_positions, rotary_method
from farspan.positions.rotary import Rotary
from farspan.positions.yarn import Yarn

SHORT = [1.0 + 0.1 * i for i in range(8)]
LONG = [1.0 + 0.5 * i for i in range(8)]
OLD = "original_max_position_embeddings"
SCALINGS = {
    "default": {"rope_type": "default"},
    "partial": {"rope_type": "default", "partial_rotary_factor": 0.5},
    "linear": {"rope_type": "linear", "factor": 4.0},
    "dynamic": {"rope_type": "dynamic", "factor": 3.0, OLD: 64},
    "yarn": {"rope_type": "yarn", "factor": 32.0, OLD: 64},
    "yarn-deepseek": {
        "rope_type": "yarn",
        "factor": 40.0,
        OLD: 4096,
        "mscale": 1.0,
        "mscale_all_dim": 0.7,
        "beta_fast": 20.0,
        "truncate": False,
    },
    "yarn-given": {"rope_type": "yarn", "factor": 4.0, OLD: 64, "attention_factor": 1.2},
    "yarn-partial": {"rope_type": "yarn", "factor": 4.0, OLD: 64, "partial_rotary_factor": 0.5},
    "longrope": {
        "rope_type": "longrope",
        "factor": 8.0,
        OLD: 64,
        "short_factor": SHORT,
        "long_factor": LONG,
    },
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        OLD: 64,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
    },
    "proportional": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "factor": 2.0},
}


@pytest.mark.parametrize("name", SCALINGS)
@pytest.mark.parametrize("tokens", [64, 500])
def test_frequencies_and_attention_factors_are_those_of_transformers(name, tokens):
    transformers = pytest.importorskip("transformers")
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

    scaling = SCALINGS[name]
    config = transformers.LlamaConfig(
        hidden_size=64,
        num_attention_heads=4,
        max_position_embeddings=64,
        rope_parameters=dict(scaling) | {"rope_theta": 5e4},
    )
    if scaling["rope_type"] in ROPE_INIT_FUNCTIONS:
        wanted, factor = ROPE_INIT_FUNCTIONS[scaling["rope_type"]](config, "cpu", seq_len=tokens)
    else:
        plain = LlamaRotaryEmbedding(config)
        wanted, factor = plain.inv_freq, plain.attention_scaling
    if name == "partial":  # the Llama class itself leaves it out
        wanted = 5e4 ** -(torch.arange(0, 8, 2) / 8)
    mine, magnitude = Rotary(16, 5e4, dict(scaling) | {"tokens": tokens}).frequencies()
    torch.testing.assert_close(mine.float(), wanted, rtol=2e-6, atol=0)
    assert magnitude == factor


def test_ntk_slows_the_slowest_pair_by_the_factor_and_leaves_the_fastest():
    mine, magnitude = Rotary(16, 1e4, {"rope_type": "ntk", "factor": 4.0}).frequencies()
    plain = Rotary(16, 1e4).frequencies()[0]
    assert magnitude == 1.0
    torch.testing.assert_close(plain / mine, 4.0 ** (torch.arange(8).double() / 7))


@pytest.mark.parametrize(
    "text",
    [
        "yarn(32)",
        "linear(factor=2)",
        "dynamic(2, tokens=4096)",
        "self_extend(8, window=512)+log_length",
        "yarn(4.5, attention_factor=1.25)+dual_chunk(chunk=300)+log_length(trained=100)",
        "alibi(replace_rotary=true)",
        "longrope(2, short_factor=1/2.5, long_factor=3/4)",
        "proportional(0.25)",
    ],
)
def test_what_is_written_is_read_again(text):
    parsed = parse_positions(text, 2048)
    assert str(parsed) != str(Positions())
    assert parse_positions(str(parsed), 1) == parsed


def test_settings_are_taken_in_order_by_name_and_from_the_checkpoint(tmp_path):
    assert parse_positions("yarn(4, beta_slow=2)", 2048).rotary == Yarn(4.0, 2048, beta_slow=2.0)
    assert parse_positions("yarn", 2048, 32).rotary == Yarn(32.0, 2048)
    assert parse_positions("yarn(2, trained=512)", 2048).rotary == Yarn(2.0, 512)
    path = tmp_path / "long.json"
    path.write_text(json.dumps(LONG))
    text = f"longrope(8, short_factor={path}, long_factor={path})"
    assert list(parse_positions(text, 64).rotary.long_factor) == LONG


@pytest.mark.parametrize("method", METHODS.values(), ids=str)
def test_every_method_says_when_to_use_it(method):
    assert method.when.endswith(".") and len(method.when) < 90 and method.__doc__


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rope", "there are default, linear"),
        ("yarn", "needs its factor"),
        ("yarn(0.5)", "from 1 on"),
        ("yarn(nan)", "from 1 on"),
        ("yarn(many)", "is not a number"),
        ("yarn(2, gamma=1)", "takes factor, trained, beta_fast"),
        ("yarn(2, beta_fast=1)", "beta_fast must be above"),
        ("yarn(2)+linear(2)", "names both yarn and linear"),
        ("self_extend(0)", "group must be"),
        ("self_extend(4, window=0)", "window must be"),
        ("self_extend", "or --factor"),
        ("dual_chunk(trained=64, chunk=64)", "chunk must be below 64"),
        ("alibi(replace_rotary=perhaps)", "true or false"),
        ("longrope(8, short_factor=no.json, long_factor=1)", ".json file"),
        ("yarn(2", "unknown"),
        ("", "unknown"),
    ],
)
def test_bad_requests_say_what_is_allowed(text, said):
    with pytest.raises(RequestError, match=said.replace("(", r"\(")):
        parse_positions(text, 2048)


def test_a_factor_goes_only_with_methods_that_stretch():
    with pytest.raises(RequestError, match="takes no factor"):
        parse_positions("dual_chunk", 2048, 4)
    with pytest.raises(RequestError, match="from 1 on"):
        parse_positions("self_extend", 2048, 0.5)
    with pytest.raises(RequestError, match="from 1 on"):
        parse_positions("self_extend", 2048, float("inf"))
    for text in ("yarn(2)", "self_extend(window=64)", "yarn(beta_fast=9, factor=8)"):
        with pytest.raises(RequestError, match=r"chosen twice.* by --factor"):
            parse_positions(text, 2048, 4)


def test_unknown_and_incomplete_scalings_are_refused():
    with pytest.raises(RequestError, match="use default, linear, ntk"):
        rotary_method({"rope_type": "mrope"})
    with pytest.raises(RequestError, match="incomplete"):
        rotary_method({"rope_type": "longrope", "factor": 2.0})
    with pytest.raises(RequestError, match="must be even"):
        Rotary(8, scaling={"partial_rotary_factor": 0.4})
    with pytest.raises(RequestError, match="4 rotated features"):
        Rotary(2, scaling={"rope_type": "ntk", "factor": 2.0})
    with pytest.raises(RequestError, match="4 divisors"):
        Rotary(8, scaling=SCALINGS["longrope"])
