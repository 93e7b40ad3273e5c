"""ALiBi's slopes, as the paper and its code have them."""

from __future__ import annotations

import pytest

from farspan.mixers.naive import naive_slopes
from farspan.positions.alibi import Alibi


@pytest.mark.parametrize("n_heads", [1, 2, 4, 9, 12, 16, 40])
def test_slopes_are_those_of_the_reference_and_of_transformers(n_heads):
    torch = pytest.importorskip("torch")
    bloom = pytest.importorskip("transformers.models.bloom.modeling_bloom")
    mine = Alibi().slopes(n_heads)
    assert mine == pytest.approx(naive_slopes(n_heads))
    bias = bloom.build_alibi_tensor(torch.ones(1, 2), n_heads, torch.float64)
    assert mine == pytest.approx(bias[:, 0, 1].tolist(), rel=1e-6)


def test_eight_heads_have_the_slopes_of_the_paper():
    assert Alibi().slopes(8) == [2.0**-i for i in range(1, 9)]
    assert Alibi(4.0).slopes(8) == [2.0 ** -(i + 2) for i in range(1, 9)]
