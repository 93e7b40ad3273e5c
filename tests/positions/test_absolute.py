"""Longer tables of absolute embeddings: ends stay, rows between are mixed, and they learn."""

from __future__ import annotations

import pytest
import torch

from farspan.errors import RequestError
from farspan.positions.absolute import AbsoluteEmbedding, extend_table


def test_interpolation_is_that_of_torch_and_keeps_both_ends():
    table = torch.randn(6, 3, dtype=torch.float64)
    longer = extend_table(table, 17)
    wanted = torch.nn.functional.interpolate(
        table.T.unsqueeze(0), size=17, mode="linear", align_corners=True
    )
    torch.testing.assert_close(longer, wanted[0].T)
    torch.testing.assert_close(longer[[0, -1]], table[[0, -1]])
    torch.testing.assert_close(extend_table(table, 6), table)


def test_copies_repeat_the_table():
    table = torch.randn(4, 3)
    assert torch.equal(extend_table(table, 10, "copy"), torch.cat((table, table, table[:2])))


def test_the_extended_rows_are_learned():
    longer = AbsoluteEmbedding(torch.randn(4, 3)).extended(8)
    x = torch.zeros(1, 8, 3)
    longer(x, torch.arange(8).unsqueeze(0)).square().sum().backward()
    assert longer.weight.grad is not None and bool((longer.weight.grad != 0).all())
    with pytest.raises(RequestError, match="position 8 is beyond"):
        longer(x[:, :1], torch.tensor([[8]]))


@pytest.mark.parametrize(("tokens", "way", "said"), [(2, "copy", "cannot"), (9, "tile", "use")])
def test_impossible_tables_are_refused(tokens, way, said):
    with pytest.raises(RequestError, match=said):
        extend_table(torch.randn(4, 3), tokens, way)
