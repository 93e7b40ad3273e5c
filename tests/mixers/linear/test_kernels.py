"""What can be tested of the GPU path without a GPU: when it applies, and the calls it makes."""

from __future__ import annotations

import sys

import pytest
import torch

from farspan.mixers.base import Tokens
from farspan.mixers.linear import kernels
from farspan.mixers.linear.additive import additive
from farspan.mixers.linear.delta import delta_rule

from .test_delta import inputs


@pytest.fixture(autouse=True)
def forget():
    kernels.load_kernels.cache_clear()
    yield
    kernels.load_kernels.cache_clear()


def test_the_cpu_never_asks_for_kernels(monkeypatch):
    monkeypatch.setattr(kernels, "load_kernels", lambda: pytest.fail("asked"))
    assert kernels.kernel_dtype(torch.zeros(1, 1, 1, 1).bfloat16(), Tokens.plain(1, 1)) is None


def test_missing_kernels_are_told_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "fla.ops.delta_rule", None)
    with pytest.warns(UserWarning, match=r"pip install 'farspan\[gpu\]'") as told:
        assert kernels.load_kernels() == {} == kernels.load_kernels()
    assert len(told) == 1


def stand_in(heads, rule):
    """The kernels' calling convention around the torch form: one key-value head a query head."""

    def kernel(q, k, v, *, scale, initial_state, output_final_state, **gates):
        assert output_final_state and q.shape[2] == k.shape[2] == heads
        return rule(q.double() * scale, k.double(), v.double(), initial_state, **gates)

    return kernel


def test_kernels_get_repeated_heads_and_give_back_one_memory_a_group(monkeypatch):
    q, k, v, write, log_decay, mem = inputs(20, True)
    table = {
        "head": stand_in(6, lambda q, k, v, s, g=None: additive(q, k, v, _column(g), s)),
        "channel": stand_in(6, lambda q, k, v, s, g: additive(q, k, v, g, s)),
        "delta": stand_in(6, lambda q, k, v, s, beta: delta_rule(q, k, v, beta, None, s)),
        "gated_delta": stand_in(6, lambda q, k, v, s, g, beta: delta_rule(q, k, v, beta, g, s)),
    }
    monkeypatch.setattr(kernels, "load_kernels", lambda: table)
    channels = -k.square()
    for decay in (None, log_decay.unsqueeze(-1), channels):
        both = [
            kernels.additive_rule(q, k, v, decay, mem, chunk=64, half=half)
            for half in (None, torch.float64)
        ]
        torch.testing.assert_close(*both)
    for decay in (None, log_decay):
        both = [
            kernels.correcting_rule(q, k, v, write, decay, mem, chunk=64, half=half)
            for half in (None, torch.float64)
        ]
        torch.testing.assert_close(*both)


def _column(g):
    return None if g is None else g.unsqueeze(-1)
