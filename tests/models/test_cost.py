"""The price of a plan, against what a decoder really holds and computes."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from farspan.mixers.base import Tokens
from farspan.mixers.full import FullAttention
from farspan.models.cost import plan_costs
from farspan.models.decoder import Decoder
from farspan.models.plan import parse_plan
from tests.mixers.laws import tensors
from tests.tiny import make_config, make_tokenizer

CONFIG = make_config(make_tokenizer())
N = 64


def read(plan: str) -> tuple[Decoder, object, int]:
    """A decoder that has read N tokens, its state, and torch's count without fused attention."""
    torch.manual_seed(0)
    decoder = Decoder(CONFIG, parse_plan(plan, CONFIG.n_layers))
    ids = torch.zeros(1, N, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        state = decoder(ids, Tokens.plain(1, N), decoder.init_state(1))[1]
    counts = counter.get_flop_counts()["Global"]
    return decoder, state, sum(n for op, n in counts.items() if "attention" not in str(op))


@pytest.mark.parametrize(
    "plan",
    [
        "full*5",
        "fixed(8, columns=2)*2, heads(window(9)|dilated(3, dilation=4))*3",
        "window(9)*5",
        "window(9), recall(5), window(9)*3",
        "retention(16)*2, linear(16)*3",
    ],
)
def test_costs_are_those_of_a_decoder(plan):
    decoder, state, counted = read(plan)
    cost = plan_costs(CONFIG, decoder.plan, [N], torch.float32, 16)[0]
    assert cost.parameters == sum(p.numel() for p in decoder.parameters())
    for layer, held in zip(cost.layers, state.layers, strict=True):
        if layer.traffic_bytes:
            assert layer.state_bytes == sum(x.nbytes for x in tensors(held).values())
    if "retention" in plan:  # all products are counted; elsewhere attention is fused
        assert cost.flops == counted
    else:
        assert cost.flops - cost.attention_flops == counted


def test_layers_above_the_last_store_cost_nothing_and_that_one_only_writes():
    layers = plan_costs(
        CONFIG, parse_plan("window(9), recall(5), full*3", 5), [N], torch.float32, 8
    )
    window, recall, *above = layers[0].layers
    assert recall.attention_flops == 0 < recall.flops < window.flops
    assert all((x.flops, x.traffic_bytes, x.state_bytes) == (0, 0, 0) for x in above)


def test_full_attention_grows_with_the_square_and_traffic_with_what_is_held():
    plan = parse_plan("full*5", 5)
    short, long = plan_costs(CONFIG, plan, [1 << 12, 1 << 20], torch.float32, 512)
    growth = long.attention_flops / long.tokens / (short.attention_flops / short.tokens)
    assert growth == pytest.approx(256, rel=1e-3)
    shape = Decoder(CONFIG, plan).layer(0).mixer
    assert isinstance(shape, FullAttention)
    half = long.layers[0].state_bytes / 2 * (1 << 20) / 512
    assert long.layers[0].traffic_bytes == pytest.approx(half, rel=0.2)
