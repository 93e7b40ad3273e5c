"""Rotary tables: relative, exact far out, scalings as transformers has them."""

from __future__ import annotations

import pytest
import torch

from farspan.errors import RequestError
from farspan.positions.rotary import Rotary, rotate


def test_products_depend_on_distance_alone_even_at_ten_million():
    rotary = Rotary(64, theta=1e5)
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, 64, generator=generator)
    products = []
    for place in (100, 1_000_000, 10_000_000):
        tables = [rotary.table(torch.tensor([[p]]), torch.float32) for p in (place, place - 77)]
        products.append((rotate(q, tables[0]) * rotate(k, tables[1])).sum())
    torch.testing.assert_close(products[1], products[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(products[2], products[0], atol=1e-5, rtol=0)


def test_rotation_keeps_length():
    rotary = Rotary(8)
    x = torch.randn(2, 5, 3, 8, dtype=torch.float64)
    turned = rotate(x, rotary.table(torch.arange(5).expand(2, 5), torch.float64))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))


def test_unknown_scaling_is_refused():
    with pytest.raises(RequestError, match="longrope"):
        Rotary(8, scaling={"rope_type": "longrope"})
