"""Memories merge, repeat, start empty, and stay finite over a million tokens."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from farspan.data.passkey import MOST_REPEATS
from farspan.mixers.base import AttentionShape, Tokens
from farspan.mixers.infini import InfiniAttention
from farspan.mixers.infini.gated_delta import GatedDeltaRule
from farspan.mixers.infini.gated_mean import GatedMeanRule
from farspan.mixers.infini.kernelised import DeltaRule, LinearRule
from farspan.mixers.infini.memory import Segments
from farspan.mixers.window import WindowAttention
from farspan.positions.rotary import Rotary

from ..laws import tensors

SHAPE = AttentionShape(24, n_heads=4, n_kv_heads=2, head_dim=8)
RULES = {
    "linear": lambda: LinearRule(SHAPE),
    "delta": lambda: DeltaRule(SHAPE),
    "gated_delta": lambda: GatedDeltaRule(SHAPE),
    "gated_mean": lambda: GatedMeanRule(SHAPE, 5, 4),
}
every_rule = pytest.mark.parametrize("name", RULES)


def make(name: str, segment: int = 4, window: int = 0) -> InfiniAttention:
    torch.manual_seed(1)
    mixer = InfiniAttention(SHAPE, Rotary(8), segment, RULES[name](), window).double()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return mixer


@every_rule
@pytest.mark.parametrize("cuts", [(8, 16), (4, 12), (12, 12), (0, 8)])
def test_parts_merge_to_the_whole_in_any_grouping(name, cuts):
    mixer = make(name)
    x = torch.randn(2, 22, 24, dtype=torch.float64)
    edges = (0, *cuts, 22)
    whole = mixer(x, Tokens.plain(2, 22), mixer.init_state(2, dtype=torch.float64))[1]
    before = mixer.init_state(2, dtype=torch.float64)
    states = []
    for i in range(3):
        state = mixer.init_behind(before) if i else before
        start, stop = edges[i], edges[i + 1]
        if stop > start:
            tokens = Tokens.plain(2, stop - start, start=start)
            state = mixer(x[:, start:stop], tokens, state)[1]
            before = mixer.merge(before, state) if i else state
        states.append(state)
    a, b, c = states
    for merged in (mixer.merge(mixer.merge(a, b), c), mixer.merge(a, mixer.merge(b, c))):
        torch.testing.assert_close(tensors(merged), tensors(whole), atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", ["linear", "delta", "gated_delta"])
def test_repeated_segments_are_segments_written_again(name):
    """A gated mean is left out: its repeats are one gate of n times the weight, not n gates."""
    mixer = make(name)
    rule = mixer.rule
    k, v = torch.randn(2, 3, 4, 2, 8, dtype=torch.float64).unbind(0)
    gates = torch.randn(3, 4, 2, rule.n_gates, dtype=torch.float64)
    once = Segments(*(x.unsqueeze(0) for x in (k, v, gates)))
    times = torch.tensor([[1.0, 4.0, 1.0]], dtype=torch.float64)
    empty = rule.empty(1, device=None, dtype=torch.float64)
    got = rule.write(dataclasses.replace(once, times_bn=times), empty)[1]
    order = torch.tensor([0, 1, 1, 1, 1, 2])
    wanted = rule.write(Segments(*(x[:, order] for x in (once.k, once.v, once.gates))), empty)[1]
    torch.testing.assert_close(got.total_bgd, wanted.total_bgd)
    if name != "delta":  # whose map changes with the sum of keys, so repeats only stand for it
        torch.testing.assert_close(got.matrix_bgde, wanted.matrix_bgde)


@pytest.mark.parametrize("name", ["linear", "delta", "gated_delta"])
def test_thousands_of_repeats_stay_finite(name):
    rule = make(name).float().rule
    k, v = torch.randn(2, 1, 12, 64, 2, 8).unbind(0)
    times = torch.tensor([[min(MOST_REPEATS, 2.0 ** max(0, n - 1)) for n in range(12)]])
    gates = torch.randn(1, 12, 64, 2, rule.n_gates)
    memory = rule.write(Segments(k, v, gates, times), rule.empty(1, device=None, dtype=k.dtype))[1]
    assert rule.read(torch.randn(1, 5, 4, 8), memory).abs().max() < 1e3


@every_rule
def test_without_finished_segments_it_is_local_attention(name):
    mixer = make(name, segment=32, window=32)
    window = WindowAttention(SHAPE, Rotary(8), 32).double()
    window.load_state_dict(mixer.state_dict(), strict=False)
    x = torch.randn(2, 32, 24, dtype=torch.float64)
    state = mixer.init_state(2, dtype=torch.float64)
    other = window.init_state(2, dtype=torch.float64)
    tokens = Tokens.plain(2, 32)
    torch.testing.assert_close(mixer(x, tokens, state)[0], window(x, tokens, other)[0])


@every_rule
def test_memories_are_wider_than_activations(name):
    mixer = make(name).to(torch.bfloat16)
    state = mixer.init_state(1, dtype=torch.bfloat16)
    x = torch.randn(1, 9, 24, dtype=torch.bfloat16)
    y, state = mixer(x, Tokens.plain(1, 9), state)
    assert y.dtype == torch.bfloat16
    assert state.memory.matrix_bgde.dtype == torch.float32
    assert state.memory.written_b.tolist() == [2]


KEYS = {
    "equal": lambda n: torch.ones(1, n, 2, 8),
    "distinct": lambda n: torch.randn(1, n, 2, 8, generator=torch.Generator().manual_seed(0)),
    "huge": lambda n: 1e4 * torch.randn(1, n, 2, 8, generator=torch.Generator().manual_seed(0)),
    "tiny": lambda n: 1e-4 * torch.randn(1, n, 2, 8, generator=torch.Generator().manual_seed(0)),
}


def drift(name: str, keys: str, n_tokens: int) -> tuple[float, float]:
    """Relative difference of a float32 memory's reading from a float64 one's, and its size."""
    segment, at_once = 256, 64
    found = {}
    for dtype in (torch.float32, torch.float64):
        rule = RULES[name]().to(dtype)
        memory = rule.empty(1, device=None, dtype=dtype)
        values = torch.randn(1, 256 * 64, 2, 8, generator=torch.Generator().manual_seed(1))
        block = KEYS[keys](segment * at_once)
        for _ in range(n_tokens // (segment * at_once)):
            shape = (1, at_once, segment, 2)
            k, v = (x.to(dtype).reshape(*shape, 8) for x in (block, values))
            gates = torch.zeros(*shape, rule.n_gates, dtype=dtype)
            with torch.no_grad():
                memory = rule.write(Segments(k, v, gates), memory)[1]
        q = block[:, :64].repeat_interleave(2, dim=2).to(dtype)
        found[dtype] = rule.read(q, memory).double()
    exact = found[torch.float64]
    size = exact.norm()
    return ((found[torch.float32] - exact).norm() / size).item(), size.item()


@every_rule
@pytest.mark.parametrize("keys", KEYS)
def test_adversarial_keys_neither_drift_nor_overflow(name, keys):
    error, size = drift(name, keys, 1 << 17)
    assert error < 2e-3
    assert 0 < size < 1e5


@pytest.mark.slow
@every_rule
@pytest.mark.parametrize("keys", KEYS)
def test_a_million_adversarial_keys(name, keys):
    error, size = drift(name, keys, 1 << 20)
    assert error < 2e-3
    assert 0 < size < 1e5
