"""States as tensors by path: there and back for every mixer, stores left alone."""

from __future__ import annotations

import pytest
import torch

from farspan.errors import RequestError
from farspan.memory.file_store import FileStore
from farspan.memory.store import MemoryStore
from farspan.mixers.base import Tokens
from farspan.mixers.states import batch_of, change, fill, flatten, select_rows

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


@pytest.mark.parametrize("name", MIXERS)
def test_rows_of_a_state_go_on_by_themselves(name):
    mixer, _ = build(name)
    x = torch.randn(3, 17, D_MODEL, dtype=torch.float64)
    tokens = Tokens.plain(3, 11, first_asked=11)
    state = mixer(x[:, :11], tokens, mixer.init_state(3, dtype=torch.float64))[1]
    assert batch_of(state) == 3
    row = torch.tensor([2, 0, 2])
    rest = Tokens.plain(3, 6, start=11, first_asked=0)
    wanted = mixer(x[:, 11:], rest, state)[0][row]
    picked = select_rows(state, row)
    found = mixer(x[row, 11:], rest, picked)[0]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    assert batch_of(picked) == 3


def test_rows_of_a_store_on_disk_are_refused(tmp_path):
    store = FileStore.open(tmp_path / "layer", 2, 8)
    with pytest.raises(RequestError, match="holds one row"):
        select_rows(store, torch.tensor([0, 0]))
