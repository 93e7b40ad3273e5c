"""States as tensors by path: there and back for every mixer, stores left alone."""

from __future__ import annotations

import pytest
import torch

from farspan.memory.store import MemoryStore
from farspan.mixers.base import Tokens
from farspan.mixers.states import change, fill, flatten

from .laws import D_MODEL, MIXERS, build, tensors


@pytest.mark.parametrize("name", MIXERS)
def test_a_state_is_its_tensors(name):
    mixer, _ = build(name)
    x = torch.randn(2, 11, D_MODEL, dtype=torch.float64)
    state = mixer(x, Tokens.plain(2, 11), mixer.init_state(2, dtype=torch.float64))[1]
    found = flatten(state)
    assert not any(path.startswith("store") for path in found)
    again = fill(mixer.init_state(2, dtype=torch.float64), found)
    torch.testing.assert_close(flatten(again), found, rtol=0, atol=0)
    doubled = change(state, lambda x: x * 2)
    for path, value in flatten(doubled).items():
        torch.testing.assert_close(value, found[path] * 2, rtol=0, atol=0)
    if isinstance(getattr(state, "store", None), MemoryStore):
        assert doubled.store is state.store
    whole = flatten(state, stores=True)
    assert len(whole) == len(tensors(state))
    again = flatten(fill(mixer.init_state(2, dtype=torch.float64), whole), stores=True)
    torch.testing.assert_close(again, whole, rtol=0, atol=0)


def test_a_missing_tensor_is_told():
    mixer, _ = build("window")
    with pytest.raises(KeyError, match=r"recent\.k_bshd"):
        fill(mixer.init_state(1), {})
