"""Attention over chosen blocks, on every device's path, against one softmax."""

from __future__ import annotations

import pytest
import torch

from farspan import compat
from farspan.mixers import selection
from farspan.mixers.selection import BlockKeys, selected_attention

B, S, T, H, G, D, SIZE = 2, 37, 12, 4, 2, 8, 5


def whole(q, k, v, own, place, chosen):
    """Scores written out, those of other blocks left out."""
    first = place[0] // SIZE
    block = place // SIZE - first
    mask = (chosen.unsqueeze(-1) == block).any(3) & (place <= own[:, None, None])
    k, v = (x.repeat_interleave(H // G, dim=2) for x in (k, v))
    score = torch.einsum("bthd,bshd->bths", q, k) * D**-0.5
    return torch.einsum("bths,bshd->bthd", score.masked_fill(~mask, -torch.inf).softmax(-1), v)


def inputs():
    torch.manual_seed(0)
    q = torch.randn(B, T, H, D, dtype=torch.float64, requires_grad=True)
    k, v = torch.randn(2, B, S, G, D, dtype=torch.float64).unbind(0)
    place = torch.cat((torch.arange(7, 20), torch.arange(23, 23 + S - 13)))  # a hole in a block
    own = place[-T:]
    blocks = own // SIZE - place[0] // SIZE
    others = torch.stack([torch.randperm(int(blocks[0]))[:3] for _ in range(B * T * H)])
    others[::5, 2] = -1
    chosen = torch.cat(
        (blocks.view(1, T, 1, 1).expand(B, T, H, 1), others.view(B, T, H, 3)), dim=-1
    )
    return q, k.requires_grad_(), v.requires_grad_(), own, place, chosen


@pytest.mark.parametrize("tile", [2, 128])
@pytest.mark.parametrize("path", ["fused", "written out"])
def test_chosen_blocks_are_one_softmax(path, tile, monkeypatch):
    monkeypatch.setattr(selection, "TILE", tile)
    monkeypatch.setattr(selection, "SCORES", 64)  # many groups of tiles
    if path != "fused":
        monkeypatch.setattr(compat, "has_cpu_flash", lambda x: False)
    q, k, v, own, place, chosen = inputs()
    got = selected_attention(q, BlockKeys(k, v, place, SIZE), own, chosen)
    wanted = whole(q, k, v, own, place, chosen)
    torch.testing.assert_close(got, wanted, atol=1e-10, rtol=0)
    for tensor in (q, k, v):
        mine, theirs = (
            torch.autograd.grad(y.sin().sum(), tensor, retain_graph=True)[0] for y in (got, wanted)
        )
        torch.testing.assert_close(mine, theirs, atol=1e-10, rtol=0)
