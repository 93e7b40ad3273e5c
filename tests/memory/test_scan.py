"""The scan equals attention over everything at once, however it is cut, and watches truly."""

from __future__ import annotations

import pytest
import torch

from farspan.memory import scan
from farspan.memory.scan import AttentionWatch, attend_store
from farspan.memory.store import MemoryStore, OverlayStore


def reference(q, k, v):
    """All scores at once in float64; `[B, T, H, D]` and the weights `[B, H, T, S]`."""
    q, k, v = (x.double() for x in (q, k, v))
    group = q.shape[2] // k.shape[2]
    k, v = k.repeat_interleave(group, 2), v.repeat_interleave(group, 2)
    score = torch.einsum("bthd,bshd->bhts", q, k) * q.shape[-1] ** -0.5
    t, s = score.shape[-2:]
    late = torch.ones(t, s, dtype=torch.bool).triu(s - t + 1)
    weight = score.masked_fill(late, -torch.inf).softmax(-1)
    return torch.einsum("bhts,bshd->bthd", weight, v), weight


def make(n_queries, n_keys, sharp=1.0):
    generator = torch.Generator().manual_seed(n_queries + n_keys)
    q = torch.randn(2, n_queries, 6, 16, generator=generator) * sharp
    k, v = torch.randn(2, 2, n_keys, 3, 16, generator=generator)
    return q, k, v


@pytest.mark.parametrize("n_queries", [1, 3, 9])
@pytest.mark.parametrize("n_keys", [9, 64, 300])
@pytest.mark.parametrize("sharp", [1.0, 30.0])
def test_equals_attention_at_once(n_queries, n_keys, sharp, monkeypatch):
    monkeypatch.setattr(scan, "BLOCK", 64)
    q, k, v = make(n_queries, n_keys, sharp)
    wanted, weight = reference(q, k, v)
    got = attend_store(q, MemoryStore(k, v))
    torch.testing.assert_close(got.double(), wanted, atol=1e-5, rtol=1e-5)
    watch = AttentionWatch(block=16)
    seen = attend_store(q, MemoryStore(k, v), watch)
    torch.testing.assert_close(seen.double(), wanted, atol=1e-5, rtol=1e-5)
    blocks = torch.stack([part.sum(-1) for part in weight.split(16, -1)], -1)
    torch.testing.assert_close(watch.mass[0].double(), blocks.transpose(1, 2), atol=1e-5, rtol=0)


def test_skips_values_that_nothing_looks_at(monkeypatch):
    monkeypatch.setattr(scan, "BLOCK", 64)
    q, k, v = make(1, 640)
    k = k * 0.01
    k[:, 5] = q.unflatten(2, (3, 2)).mean(3)[:, 0] * 100
    read = []

    class Counting(MemoryStore):
        def values(self, start, stop):
            read.append(start)
            return super().values(start, stop)

    got = attend_store(q[:, :, ::2], Counting(k, v), AttentionWatch())
    wanted, _ = reference(q[:, :, ::2], k, v)
    torch.testing.assert_close(got.double(), wanted, atol=1e-5, rtol=1e-5)
    assert read == [0]


def test_overlay_equals_one_store():
    q, k, v = make(9, 100)
    overlay = OverlayStore(MemoryStore(k[:, :70], v[:, :70])).append(k[:, 70:], v[:, 70:])
    wanted, _ = reference(q, k, v)
    torch.testing.assert_close(attend_store(q, overlay).double(), wanted, atol=1e-5, rtol=1e-5)
