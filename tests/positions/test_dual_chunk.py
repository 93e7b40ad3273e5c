"""Dual chunk attention's places: never beyond the trained length, exact nearby."""

from __future__ import annotations

import torch

from farspan.positions.dual_chunk import DualChunk

from .test_self_extend import distances


def test_no_distance_leaves_the_trained_length_and_neighbours_are_exact():
    trained, chunk = 24, 16
    found = distances(DualChunk(trained, chunk), 200)
    assert int(found.max()) == trained - 1
    query, key = torch.arange(200).unsqueeze(1), torch.arange(200).unsqueeze(0)
    near = (key <= query) & (query - key < trained - chunk)
    assert torch.equal(found[near], (query - key)[near])
    own = (query // chunk == key // chunk) & (key <= query)
    assert torch.equal(found[own], (query - key)[own])


def test_chunks_are_three_quarters_of_the_trained_length():
    assert DualChunk(8192).size == 6144
