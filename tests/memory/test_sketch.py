"""The index depends on the tokens alone: not on chunks, interruptions, or what lay there before."""

from __future__ import annotations

import itertools
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from farspan.errors import RequestError
from farspan.memory.file_store import FileStore
from farspan.memory.sketch import COARSE, FINE, Sketch, sketch_bytes

HEADS, DIM = 2, 8


def keys(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, count, HEADS, DIM, generator=generator).bfloat16()


def write(stem, k, cuts=(), start=0):
    store = FileStore.open(stem, HEADS, DIM, length=start, indexed=True)
    edges = [start, *(x for x in sorted(cuts) if start < x < k.shape[1]), k.shape[1]]
    for a, b in itertools.pairwise(edges):
        store = store.append(k[:, a:b], -k[:, a:b])
    return store


def files(stem):
    return [(stem.parent / f"{stem.name}.{x}.0").read_bytes() for x in ("fine", "coarse")]


def test_means_are_those_of_the_blocks(tmp_path):
    k = keys(100)
    sketch = write(tmp_path / "layer", k).sketch
    assert sketch.tokens == 96
    means = k[0, :96].float().unflatten(0, (-1, COARSE)).mean(1).transpose(0, 1)
    torch.testing.assert_close(sketch.coarse().float(), means, atol=1e-2, rtol=1e-2)
    fine = k[0, :96].float().unflatten(0, (-1, FINE)).mean(1).transpose(0, 1)
    chosen = torch.tensor([1, 4])
    places = torch.tensor([4, 5, 6, 7, 16, 17, 18, 19])
    torch.testing.assert_close(sketch.fine(chosen).float(), fine[:, places], atol=1e-2, rtol=1e-2)
    assert sketch.held_bytes() == sum(map(len, files(tmp_path / "layer")))
    assert sketch.held_bytes() == sketch_bytes(100, HEADS * DIM * 2)


@given(st.sets(st.integers(1, 99), max_size=8), st.integers(0, 100))
@settings(deadline=None, max_examples=25)
def test_the_same_bits_however_it_was_cut_and_interrupted(tmp_path_factory, cuts, kept):
    folder, k = tmp_path_factory.mktemp("index"), keys(100)
    write(folder / "whole", k)
    write(folder / "parts", k, cuts)
    write(folder / "parts", k, cuts, start=kept)
    assert files(folder / "parts") == files(folder / "whole")


def lose(stem):
    os.unlink(f"{stem}.fine.0")


def shorten(stem):
    os.truncate(f"{stem}.coarse.0", 40)


@pytest.mark.parametrize("damage", [lose, shorten])
def test_a_missing_or_short_index_is_made_again(tmp_path, damage):
    stem = tmp_path / "layer"
    write(stem, keys(100))
    wanted = files(stem)
    damage(stem)
    store = FileStore.open(stem, HEADS, DIM, length=100, indexed=True)
    assert store.lacks_index()
    store.mend_index()
    assert not store.lacks_index() and files(stem) == wanted


def test_coarse_means_follow_the_store(tmp_path):
    store = write(tmp_path / "layer", keys(32))
    assert store.sketch.coarse().shape == (HEADS, 2, DIM)
    store = store.append(keys(16, 1), keys(16, 2))
    assert store.sketch.coarse().shape == (HEADS, 3, DIM)


def test_a_full_disk_gets_a_sentence(tmp_path, monkeypatch):
    sketch = Sketch(tmp_path / "layer", (HEADS, DIM))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(RequestError, match="no room left"):
        sketch.append(keys(16)[0])
    assert sketch.tokens == 0
