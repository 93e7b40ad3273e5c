"""Attention by pair over many tiles equals scores written out as one matrix."""

from __future__ import annotations

import pytest
import torch

from farspan.mixers import scores
from farspan.mixers.naive import naive_distance
from farspan.mixers.scores import scored_attention
from farspan.positions.base import ScoreMethod
from farspan.positions.dual_chunk import DualChunk
from farspan.positions.rotary import Rotary, rotate
from farspan.positions.self_extend import SelfExtend

N, HEADS, HEAD = 70, 2, 8


def whole(q, k, v, method: ScoreMethod, window: int | None) -> torch.Tensor:
    """Every score of one document from its own rotation."""
    rotary = Rotary(HEAD)
    out = torch.zeros_like(q)
    for t in range(N):
        first = 0 if window is None else max(0, t - window + 1)
        far = [-naive_distance(method, t, s) for s in range(first, t + 1)]
        keys = rotate(k[:, first : t + 1], rotary.table(torch.tensor([far]), k.dtype))
        score = torch.einsum("bhd,bshd->bhs", q[:, t], keys) * HEAD**-0.5
        out[:, t] = torch.einsum("bhs,bshd->bhd", score.softmax(-1), v[:, first : t + 1])
    return out


@pytest.mark.parametrize("window", [None, 20])
@pytest.mark.parametrize("method", [SelfExtend(5, 9), DualChunk(24)], ids=str)
def test_tiles_make_no_difference(method, window, monkeypatch):
    monkeypatch.setattr(scores, "QUERY_TILE", 16)
    monkeypatch.setattr(scores, "KEY_TILE", 24)
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 1, N, HEADS, HEAD, dtype=torch.float64).requires_grad_().unbind(0)
    place, document = torch.arange(N).unsqueeze(0), torch.zeros(1, N, dtype=torch.int32)
    rotary = Rotary(HEAD, scores=method)
    got = scored_attention(q, k, v, place, document, rotary, window=window)
    wanted = whole(q, k, v, method, window)
    torch.testing.assert_close(got, wanted, atol=1e-9, rtol=0)
    for tensor in (q, k, v):
        mine, theirs = (
            torch.autograd.grad(y.sin().sum(), tensor, retain_graph=True)[0] for y in (got, wanted)
        )
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=0)


def test_no_matrix_of_all_pairs_is_held(monkeypatch):
    """The largest score tensor is one tile, in the forward pass and in the backward pass."""
    sizes = []
    plain = scores.attention_with_lse

    def watched(q, k, v, mask, bias=None):
        sizes.append(mask.shape[1:])
        return plain(q, k, v, mask, bias)

    monkeypatch.setattr(scores, "attention_with_lse", watched)
    n = 2500
    q, k, v = torch.randn(3, 1, n, 1, HEAD).requires_grad_().unbind(0)
    place, document = torch.arange(n).unsqueeze(0), torch.zeros(1, n, dtype=torch.int32)
    rotary = Rotary(HEAD, scores=SelfExtend(4, 300))
    scored_attention(q, k, v, place, document, rotary).sum().backward()
    assert max(a * b for a, b in sizes) <= scores.QUERY_TILE * scores.KEY_TILE < n * n / 10
    assert len(sizes) > 20
