"""The linear mixers themselves: hostile keys over long sequences, parts, first values."""

from __future__ import annotations

import copy

import pytest
import torch

from farspan.errors import RequestError
from farspan.mixers.base import AttentionShape, Tokens
from farspan.mixers.linear import DeltaRule, GatedLinear
from farspan.mixers.registry import MIXERS
from farspan.models.plan import parse_plan
from farspan.positions.rotary import Rotary

KINDS = ("linear", "retention", "gla", "delta", "gated_delta")
SHAPE = AttentionShape(16, n_heads=2, n_kv_heads=1, head_dim=8)
DRIFT = 1e-5
CHUNK = 8192


def make(kind):
    torch.manual_seed(3)
    mixer = MIXERS[kind]().build(SHAPE, Rotary(SHAPE.head_dim))
    with torch.no_grad():
        for weight in mixer.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    return mixer


def hostile(keys, n_tokens):
    """Chunks of features, float32."""
    generator = torch.Generator().manual_seed(5)
    one = torch.randn(1, 1, SHAPE.d_model, generator=generator)
    scale = {"huge": 1e4, "tiny": 1e-6}.get(keys, 1.0)
    for start in range(0, n_tokens, CHUNK):
        length = min(CHUNK, n_tokens - start)
        fresh = torch.randn(1, length, SHAPE.d_model, generator=generator)
        yield start, one.expand(1, length, -1) if keys == "equal" else scale * fresh


@torch.no_grad()
def drift(kind, keys, n_tokens):
    """Relative distance of float32 from float64 in the last outputs and in the memory."""
    low = make(kind)
    high = copy.deepcopy(low).double()
    states = [m.init_state(1, dtype=next(m.parameters()).dtype) for m in (low, high)]
    for start, x in hostile(keys, n_tokens):
        tokens = Tokens.plain(1, x.shape[1], start=start)
        outputs = []
        for i, mixer in enumerate((low, high)):
            y, states[i] = mixer(x.to(next(mixer.parameters()).dtype), tokens, states[i])
            outputs.append(y)
        assert torch.isfinite(outputs[0]).all()
    pairs = [outputs, [state.mem_bgde for state in states]]
    return max(((one - two).norm() / two.norm()).item() for one, two in pairs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keys", ["equal", "distinct", "huge", "tiny"])
def test_hostile_keys_neither_break_nor_drift(kind, keys):
    assert drift(kind, keys, 20_000) < DRIFT


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keys", ["equal", "distinct", "huge", "tiny"])
def test_a_million_hostile_keys_neither_break_nor_drift(kind, keys):
    assert drift(kind, keys, 2**20) < DRIFT


def test_a_delta_state_that_is_no_part_is_not_merged():
    mixer = make("delta")
    first, second = mixer.init_state(1), mixer.init_state(1)
    with pytest.raises(RequestError, match="begin it with init_part"):
        mixer.merge(first, second)


def test_parts_hold_their_map_and_states_do_not():
    mixer = make("gated_delta")
    assert mixer.init_state(1).map_bgdd is None
    part = mixer.init_part(1, dtype=torch.bfloat16)
    assert part.map_bgdd.shape == part.mem_bgde.shape and part.mem_bgde.dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_features_leave_a_float32_memory(kind):
    mixer = make(kind).bfloat16()
    x = torch.randn(2, 70, SHAPE.d_model).bfloat16()
    y, state = mixer(x, Tokens.plain(2, 70), mixer.init_state(2, dtype=torch.bfloat16))
    with torch.autocast("cpu", torch.bfloat16):
        _, other = mixer(x, Tokens.plain(2, 70), mixer.init_state(2))
    assert y.dtype == torch.bfloat16 and state.mem_bgde.dtype == torch.float32
    torch.testing.assert_close(other.mem_bgde, state.mem_bgde)


def test_first_values_spread_the_time_scales_of_forgetting():
    gla, delta = GatedLinear(SHAPE), DeltaRule(SHAPE, decaying=True)
    x = torch.randn(1, 1, SHAPE.d_model)
    for mixer, count in ((gla, SHAPE.kv_features), (delta, SHAPE.n_kv_heads)):
        scales = -1 / mixer.gates(x, torch.float32).log_decay_btgx.flatten()
        wanted = torch.logspace(5, 12, count, base=2.0)
        torch.testing.assert_close(scales, wanted, rtol=0.01, atol=0)
    assert torch.equal(gla.decay_down.weight, GatedLinear(SHAPE).decay_down.weight)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("gla(48)", r"gla\(48\): a chunk is a power of two from 1 to 256"),
        ("delta(512)", "from 1 to 256"),
        ("linear(64, sinks=1)", "linear takes chunk"),
    ],
)
def test_a_wrong_setting_is_told(plan, message):
    with pytest.raises(RequestError, match=message):
        parse_plan(plan, 1)


def test_plans_name_the_linear_mixers():
    plan = parse_plan("linear, retention(32), gla, delta, gated_delta(128)", 5)
    assert str(plan) == "linear(64), retention(32), gla(64), delta(64), gated_delta(128)"
