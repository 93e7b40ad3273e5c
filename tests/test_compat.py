"""The seams between versions and devices."""

from __future__ import annotations

import pytest
import torch

from farspan import compat
from farspan.mixers.attention import causal_attention


def test_cpu_computes_in_a_dtype_it_has():
    dtype = compat.cpu_compute_dtype()
    assert dtype in (torch.bfloat16, torch.float32)
    x = torch.ones(4, 4, dtype=dtype)
    assert (x @ x)[0, 0] == 4


def test_the_cpu_has_no_flash_path():
    assert not compat.has_flash(torch.empty(1, 1, 1, 8, dtype=torch.bfloat16))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("length", "keys", "window"), [(300, 811, 512), (64, 2000, None)])
def test_fused_attention_equals_the_masked_one(length, keys, window):
    shape = {"device": "cuda", "dtype": torch.bfloat16}
    q = torch.randn(2, length, 9, 64, **shape)
    k, v = torch.randn(2, 2, keys, 3, 64, **shape)
    wanted = causal_attention(q.float(), k.float(), v.float(), window=window)
    got = causal_attention(q, k, v, window=window).float()
    torch.testing.assert_close(got, wanted, atol=2e-2, rtol=2e-2)
