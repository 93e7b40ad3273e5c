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
from farspan.memory.sketch import BLOCK, Sketch, sketch_bytes

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
    return (stem.parent / f"{stem.name}.means.0").read_bytes()


def test_means_are_those_of_the_blocks(tmp_path):
    k = keys(102)
    sketch = write(tmp_path / "layer", k).sketch
    assert sketch.tokens == 100
    wanted = k[0, :100].float().unflatten(0, (-1, BLOCK)).mean(1).transpose(0, 1)
    firsts, means = zip(*sketch.means(7), strict=True)
    assert firsts == (0, 7, 14, 21)
    torch.testing.assert_close(torch.cat(means, 1).float(), wanted, atol=1e-2, rtol=1e-2)
    assert sketch.held_bytes() == len(files(tmp_path / "layer"))
    assert sketch.held_bytes() == sketch_bytes(102, HEADS * DIM * 2)


@given(st.sets(st.integers(1, 99), max_size=8), st.integers(0, 100))
@settings(deadline=None, max_examples=25)
def test_the_same_bits_however_it_was_cut_and_interrupted(tmp_path_factory, cuts, kept):
    folder, k = tmp_path_factory.mktemp("index"), keys(100)
    write(folder / "whole", k)
    write(folder / "parts", k, cuts)
    write(folder / "parts", k, cuts, start=kept)
    assert files(folder / "parts") == files(folder / "whole")


def lose(stem):
    os.unlink(f"{stem}.means.0")


def shorten(stem):
    os.truncate(f"{stem}.means.0", 40)


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


def test_means_follow_the_store(tmp_path):
    store = write(tmp_path / "layer", keys(32))
    assert sum(means.shape[1] for _, means in store.sketch.means(99)) == 8
    store = store.append(keys(16, 1), keys(16, 2))
    assert sum(means.shape[1] for _, means in store.sketch.means(99)) == 12


def test_a_full_disk_gets_a_sentence(tmp_path, monkeypatch):
    sketch = Sketch(tmp_path / "layer", (HEADS, DIM))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(RequestError, match="no room left"):
        sketch.append(keys(16)[0])
    assert sketch.tokens == 0
