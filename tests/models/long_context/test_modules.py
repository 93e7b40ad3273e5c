"""Infini-attention and its memory as modules of their own."""

from __future__ import annotations

import pytest
import torch

import farspan
from farspan.mixers.infini import RULES


def make(kind, rule):
    torch.manual_seed(0)
    if kind == "attention":
        module = farspan.InfiniAttention(16, 2, rule=rule, segment=4)
    else:
        module = farspan.CompressiveMemory(16, 64, rule=rule, segment=4, n_heads=2)
    return module.double().eval()


def features(n_tokens):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(2, n_tokens, 16, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", ["attention", "memory"])
@torch.no_grad()
def test_calls_with_memory_equal_one_long_call(kind, rule):
    module, x = make(kind, rule), features(19)
    whole, last = module(x, None)
    memory, parts = None, []
    for part in x.split([3, 1, 9, 6], dim=1):
        y, memory = module(part, memory)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-9, rtol=1e-9)
    assert memory.nbytes == last.nbytes


@pytest.mark.parametrize("rule", RULES)
@torch.no_grad()
def test_a_memory_says_nothing_until_a_segment_is_whole_then_what_it_held(rule):
    module, x = make("memory", rule), features(12)
    y, _ = module(x)
    assert (y[:, :4] == 0).all() and (y[:, 4:].abs().amax(-1) > 0).all()
    other = x.clone()
    other[:, 8:] += 1  # the last segment reads the two before it; its own tokens only ask
    changed, _ = module(other)
    torch.testing.assert_close(changed[:, :8], y[:, :8])
    other = x.clone()
    other[:, 1] += 1
    assert not torch.allclose(module(other)[0][:, 4:], y[:, 4:])


@torch.no_grad()
def test_masked_tokens_leave_no_trace():
    module, x = make("attention", "delta"), features(12)
    mask = torch.ones(2, 12)
    mask[0, 3:6] = 0
    y, memory = module(x, None, mask)
    alone, own = module(x[:1, mask[0].bool()])
    torch.testing.assert_close(y[:1, mask[0].bool()], alone, atol=1e-9, rtol=1e-9)
    assert memory.length_b.tolist() == [9, 12] and own.length_b.tolist() == [9]


@torch.no_grad()
def test_memory_on_disk_goes_on_as_in_memory(tmp_path):
    module = make("memory", "gated_mean")
    _, memory = module(features(7))
    memory.save(tmp_path / "memory")
    restored = module.load_memory(tmp_path / "memory")
    wanted = module(features(5), memory)[0]
    torch.testing.assert_close(module(features(5), restored)[0], wanted, rtol=0, atol=0)


def test_autocast_keeps_the_memory_in_float32():
    module = make("attention", "delta").float()
    with torch.autocast("cpu", torch.bfloat16):
        y, memory = module(features(7).bfloat16())
        y, memory = module(y.bfloat16(), memory)
    y.float().sum().backward()
    assert memory.layers[0].memory.matrix_bgde.dtype == torch.float32
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_bad_features_and_memories_are_told():
    module = make("attention", "delta")
    with pytest.raises(ValueError, match=r"x's shape is \[2, 3, 15\]; allowed is \[batch, tokens"):
        module(features(3)[..., :15])
    with pytest.raises(ValueError, match=r"x's dtype is torch.float32; allowed is torch.float64"):
        module(features(3).float())
    _, memory = make("memory", "delta")(features(3))
    with pytest.raises(ValueError, match=r"made by CompressiveMemory.*this is InfiniAttention"):
        module(features(3), memory)
