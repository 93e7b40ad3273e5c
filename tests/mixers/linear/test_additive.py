"""The chunked additive rule equals its recurrence, and survives what breaks others."""

from __future__ import annotations

import pytest
import torch

from farspan.mixers.linear.additive import additive

from .recurrence import additive_steps

B, H, G, D, E = 2, 6, 3, 8, 5


def inputs(n_tokens, decays, dtype=torch.float64, strength=1.0):
    generator = torch.Generator().manual_seed(n_tokens)

    def draw(*shape):
        return torch.randn(*shape, dtype=dtype, generator=generator)

    q, k, v = draw(B, n_tokens, H, D), draw(B, n_tokens, G, D), draw(B, n_tokens, G, E)
    log_decay = None if decays is None else -strength * draw(B, n_tokens, G, decays).exp()
    return q, k, v, log_decay, draw(B, G, D, E)


@pytest.mark.parametrize("decays", [None, 1, D])
@pytest.mark.parametrize(("n_tokens", "chunk"), [(1, 64), (37, 1), (37, 16), (65, 64), (128, 64)])
def test_outputs_and_memory_equal_the_recurrence(n_tokens, chunk, decays):
    case = inputs(n_tokens, decays)
    got, wanted = additive(*case, chunk=chunk), additive_steps(*case)
    torch.testing.assert_close(got, wanted, atol=1e-11, rtol=1e-11)


@pytest.mark.parametrize("decays", [None, 1, D])
def test_gradients_equal_the_recurrence(decays):
    case = [None if x is None else x.requires_grad_() for x in inputs(21, decays)]
    given = [x for x in case if x is not None]
    found = []
    for rule in (lambda *x: additive(*x, chunk=8), additive_steps):
        y, mem = rule(*case)
        found.append(torch.autograd.grad(y.sin().sum() + mem.sin().sum(), given))
    torch.testing.assert_close(*found, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("decays", [1, D])
@pytest.mark.parametrize("strength", [1e-6, 1.0, 30.0, 1e4, 1e30])
def test_float32_keeps_its_precision_under_any_decay(decays, strength):
    """Relative error 1e-5, also for what is decayed by little behind what is decayed by all."""
    case = inputs(100, decays, torch.float32, strength)
    case[3][:, ::2] *= 1e-4
    got = additive(*case, chunk=64)
    wanted = additive_steps(*(x.double() for x in case))
    for one, two in zip(got, wanted, strict=True):
        assert ((one - two).norm() / two.norm()).item() < 1e-5


@pytest.mark.parametrize("decays", [1, D])
def test_a_decay_to_nothing_is_a_new_beginning(decays):
    q, k, v, log_decay, mem = inputs(40, decays)
    log_decay = log_decay.masked_fill(torch.arange(40)[:, None, None] == 23, -torch.inf)
    q.requires_grad_()
    whole, after = additive(q, k, v, log_decay, mem, chunk=16)
    alone, last = additive(
        q[:, 23:], k[:, 23:], v[:, 23:], log_decay[:, 23:], torch.zeros_like(mem), chunk=16
    )
    torch.testing.assert_close((whole[:, 23:], after), (alone, last), atol=1e-12, rtol=1e-12)
    (gradient,) = torch.autograd.grad(whole.sum(), q)
    assert torch.isfinite(gradient).all()
