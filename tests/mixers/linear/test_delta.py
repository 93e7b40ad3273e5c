"""The chunked delta rule equals its recurrence, on harmless and on hostile keys."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from farspan.mixers.linear.delta import delta_rule

from .recurrence import delta_steps
from .test_additive import B, G
from .test_additive import inputs as additive_inputs


def inputs(n_tokens, decays, dtype=torch.float64, strength=1.0):
    q, k, v, log_decay, mem = additive_inputs(n_tokens, 1, dtype, strength)
    generator = torch.Generator().manual_seed(n_tokens + 1)
    write = torch.randn(B, n_tokens, G, dtype=dtype, generator=generator).sigmoid()
    log_decay = log_decay.squeeze(-1) if decays else None
    return q, F.normalize(k, dim=-1), v, write, log_decay, mem


@pytest.mark.parametrize("decays", [False, True])
@pytest.mark.parametrize(("n_tokens", "chunk"), [(1, 64), (37, 1), (37, 16), (65, 64), (128, 64)])
def test_outputs_and_memory_equal_the_recurrence(n_tokens, chunk, decays):
    case = inputs(n_tokens, decays)
    got, wanted = delta_rule(*case, chunk=chunk), delta_steps(*case)
    torch.testing.assert_close(got, wanted, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("decays", [False, True])
def test_gradients_equal_the_recurrence(decays):
    case = [None if x is None else x.requires_grad_() for x in inputs(21, decays)]
    given = [x for x in case if x is not None]
    found = []
    for rule in (lambda *x: delta_rule(*x, chunk=8), delta_steps):
        y, mem = rule(*case)
        found.append(torch.autograd.grad(y.sin().sum() + mem.sin().sum(), given))
    torch.testing.assert_close(*found, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("strength", [1e-6, 1.0, 30.0, 1e30])
def test_float32_keeps_its_precision_under_any_decay(strength):
    case = inputs(100, True, torch.float32, strength)
    got = delta_rule(*case, chunk=64)
    wanted = delta_steps(*(x.double() for x in case))
    for one, two in zip(got, wanted, strict=True):
        assert ((one - two).norm() / two.norm()).item() < 1e-5


def test_equal_keys_keep_the_last_value():
    """Written in full, a memory under one key holds the last value and nothing else."""
    _, k, v, _, _, mem = inputs(200, False, torch.float32)
    k = k[:, :1].expand_as(k)
    full = torch.ones(k.shape[:-1])
    y, _ = delta_rule(k, k, v, full, None, torch.zeros_like(mem), chunk=64)
    torch.testing.assert_close(y, v, atol=1e-5, rtol=1e-5)
