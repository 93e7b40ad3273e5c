"""Stores in memory: values that can be kept, forked and gone on from."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from farspan.memory.store import KeyValueStore, MemoryStore, OverlayStore


def tokens(count, start=0):
    k = torch.arange(start, start + count).float()[None, :, None, None].expand(1, -1, 2, 3)
    return k, -k


def contents(store: KeyValueStore, size=4):
    keys, values = [], []
    for start, block in store.keys(size):
        keys.append(block.clone())
        values.append(store.values(start, start + block.shape[1]).clone())
    return torch.cat(keys, 1), torch.cat(values, 1)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 8))
@settings(deadline=None)
def test_blocks_give_what_was_appended(sizes, size):
    store = MemoryStore.empty(1, 2, 3)
    for count in sizes:
        store = store.append(*tokens(count, store.length))
    k, v = contents(store, size)
    torch.testing.assert_close((k, v), tokens(sum(sizes)), rtol=0, atol=0)
    assert store.held_bytes() == 2 * sum(sizes) * 2 * 3 * 4


def test_two_futures_of_one_store_do_not_meet():
    past = MemoryStore.empty(1, 2, 3).append(*tokens(5)).append(*tokens(1, 5))
    one, two = past.append(*tokens(1, 100)), past.append(*tokens(1, 200))
    assert one.k_bshd[0, 6, 0, 0] == 100
    assert two.k_bshd[0, 6, 0, 0] == 200
    torch.testing.assert_close(past.k_bshd, tokens(6)[0])


def test_growth_copies_seldom():
    store, buffers = MemoryStore.empty(1, 2, 3), set()
    for i in range(500):
        store = store.append(*tokens(1, i))
        buffers.add(id(store.buffer))
    assert len(buffers) < 30


def test_appending_is_differentiable():
    k, v = (x.clone().requires_grad_() for x in tokens(3))
    store = MemoryStore.empty(1, 2, 3).append(k, v).append(2 * k, v)
    store.k_bshd.sum().backward()
    torch.testing.assert_close(k.grad, torch.full_like(k, 3.0))


def test_overlay_leaves_its_base_alone():
    base = MemoryStore.empty(1, 2, 3).append(*tokens(5))
    fork = OverlayStore(base).append(*tokens(2, 5)).append(*tokens(1, 7))
    torch.testing.assert_close(contents(fork), tokens(8), rtol=0, atol=0)
    assert base.length == 5
    assert fork.held_bytes() == 2 * 8 * 2 * 3 * 4
