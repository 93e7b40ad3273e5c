"""What mixers say they cost, against torch's counter and against pairs counted one by one."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from farspan.mixers.base import AttentionMixer, Tokens
from farspan.mixers.full import FullAttention
from farspan.mixers.infini import InfiniAttention, kernelised
from farspan.mixers.infini.gated_delta import GatedDeltaRule
from farspan.mixers.infini.gated_mean import GatedMeanRule
from farspan.mixers.learned import LearnedAttention
from farspan.mixers.linear import DeltaRule, GatedLinear, KernelAttention, Retention
from farspan.mixers.moba import MobaAttention
from farspan.mixers.patterns import Dilate, Fixed, Global, Strided
from farspan.mixers.patterns.naive import naive_sees
from farspan.mixers.recall import RecallAttention
from farspan.mixers.window import WindowAttention

from .laws import D_MODEL, HEAD, ROTARY, SHAPE

C = 16  # tokens of a chunk or a segment
SOLVE = SHAPE.n_kv_heads * (C - 1) * 2 * HEAD  # a triangular solve a token, which torch leaves out

LINEAR = {
    "linear": (lambda: KernelAttention(SHAPE, C), 0),
    "retention": (lambda: Retention(SHAPE, ROTARY, C), 0),
    "gla": (lambda: GatedLinear(SHAPE, C), 0),
    "delta": (lambda: DeltaRule(SHAPE, C), SOLVE),
    "gated-delta": (lambda: DeltaRule(SHAPE, C, decaying=True), SOLVE),
    "infini-linear": (lambda: InfiniAttention(SHAPE, None, C, kernelised.LinearRule(SHAPE)), 0),
    "infini-delta": (lambda: InfiniAttention(SHAPE, None, C, kernelised.DeltaRule(SHAPE)), 0),
    "infini-gated-delta": (lambda: InfiniAttention(SHAPE, None, C, GatedDeltaRule(SHAPE)), SOLVE),
    "infini-gated-mean": (
        lambda: InfiniAttention(SHAPE, None, C, GatedMeanRule(SHAPE, 3, 2)),
        0,
    ),
}


def counted(mixer: AttentionMixer, n: int) -> int:
    """torch's count of a pass over n tokens, without linear maps and fused local attention."""
    state = mixer.init_state(1, dtype=torch.float32)
    maps = sum(m.weight.numel() for m in mixer.modules() if isinstance(m, torch.nn.Linear))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        mixer(torch.randn(1, n, D_MODEL), Tokens.plain(1, n), state)
    fused = [k for k in counter.get_flop_counts()["Global"] if "attention" in str(k)]
    attention = sum(counter.get_flop_counts()["Global"][k] for k in fused)
    return counter.get_total_flops() - 2 * n * maps - attention


@pytest.mark.parametrize("n", [C, 4 * C])
@pytest.mark.parametrize("name", LINEAR)
def test_memories_cost_what_torch_counts(name, n):
    make, solve = LINEAR[name]
    mixer = make()
    local = 0
    if isinstance(mixer, InfiniAttention):
        local = n // C * FullAttention(SHAPE, None).flops(C)
    assert mixer.flops(n) - local == counted(mixer, n) + n * solve


@pytest.mark.parametrize("n", [1, 4, 5, 6, 7, 30])
def test_attention_costs_two_products_for_each_visible_pair(n):
    pair = 4 * SHAPE.n_heads * HEAD
    seen = [
        (FullAttention(SHAPE, ROTARY), lambda t, s: True),
        (WindowAttention(SHAPE, ROTARY, 5), lambda t, s: t - s < 5),
        (WindowAttention(SHAPE, ROTARY, 5, sinks=3), lambda t, s: t - s < 5 or s < 3),
        (RecallAttention(SHAPE, 5), lambda t, s: t - s < 5),
    ]
    for mixer, sees in seen:
        pairs = sum(sees(t, s) for t in range(n) for s in range(t + 1))
        assert mixer.flops(n) == pair * pairs


@pytest.mark.parametrize("n", [1, 7, 40])
@pytest.mark.parametrize("heads", ["merged", "split"])
def test_patterns_cost_two_products_for_each_visible_pair(heads, n):
    pair = 4 * SHAPE.n_heads * HEAD
    for spec in (Strided(5, 3, heads=heads), Fixed(6, 2, heads=heads), Dilate(3, 4), Global(4, 2)):
        patterns = spec.patterns()
        cells = [(t, s) for t in range(n) for s in range(t + 1)]
        pairs = sum(naive_sees(pattern, t, s) for pattern in patterns for t, s in cells)
        assert spec.build(SHAPE, ROTARY).flops(n) == pair * pairs // len(patterns)


@pytest.mark.parametrize("n", [1, 9, 40])
def test_mixers_that_choose_blocks_cost_their_scores_and_what_is_chosen(n):
    product = 2 * SHAPE.n_heads * HEAD
    chosen = sum(min(t // 4, 2) * 4 + t % 4 + 1 for t in range(n))
    scores = sum(t // 4 for t in range(n))
    assert MobaAttention(SHAPE, None, 4, 3).flops(n) == product * (scores + 2 * chosen)
    learned = LearnedAttention(SHAPE, None, block=4, top=3, window=5, pool=2)
    pools = sum((t + 1) // 2 for t in range(n))
    window = WindowAttention(SHAPE, None, 5).flops(n)
    pooling = 8 * SHAPE.kv_features * (n // 2 * 2)
    assert learned.flops(n) == product * 2 * (pools + chosen) + window + pooling


def test_infini_counts_whole_segments_only_and_its_window():
    shape, rule = SHAPE, kernelised.LinearRule(SHAPE)
    mixer = InfiniAttention(shape, None, C, rule)
    reads = shape.n_heads * rule.read_flops()
    full = FullAttention(shape, None)
    write = shape.n_kv_heads * rule.write_flops(C)
    assert mixer.flops(C + 3) == full.flops(C) + full.flops(3) + (C + 3) * reads + write
    wide = InfiniAttention(shape, None, C, rule, window=5)
    assert wide.flops(9) == WindowAttention(shape, None, 5).flops(9) + 9 * reads


def test_a_query_at_1m_costs_256_times_one_at_4k_with_full_attention_and_once_with_a_window():
    full, window = FullAttention(SHAPE, None), WindowAttention(SHAPE, None, 512)
    short, long = 2**12, 2**20
    assert full.flops(long) / long == pytest.approx(256 * full.flops(short) / short, rel=1e-3)
    assert window.flops(long) / long == pytest.approx(window.flops(short) / short, rel=0.1)
