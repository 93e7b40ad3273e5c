"""Stores on disk: the same contents, cut and reopened, damage and full disks told."""

from __future__ import annotations

import errno
import os

import pytest
import torch

from farspan.errors import DamagedFileError, RequestError
from farspan.memory.file_store import FileStore

from .test_store import contents, tokens


def filled(stem, count=10):
    store = FileStore.open(stem, 2, 3)
    for start in range(0, count, 4):
        store = store.append(*tokens(min(4, count - start), start))
    return store


def test_gives_back_what_was_written(tmp_path):
    store = filled(tmp_path / "layer")
    wanted = tuple(x.bfloat16() for x in tokens(10))
    torch.testing.assert_close(contents(store, 3), wanted, rtol=0, atol=0)
    torch.testing.assert_close(contents(store.load(), 3), wanted, rtol=0, atol=0)
    assert store.held_bytes() == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_reopened_at_a_checkpoint_it_goes_on_from_there(tmp_path):
    filled(tmp_path / "layer")
    store = FileStore.open(tmp_path / "layer", 2, 3, length=6)
    store = store.append(*tokens(4, 6))
    wanted = tuple(x.bfloat16() for x in tokens(10))
    torch.testing.assert_close(contents(store), wanted, rtol=0, atol=0)


def test_a_fork_writes_nothing_to_disk(tmp_path):
    store = filled(tmp_path / "layer")
    fork = store.fork().append(*(x.bfloat16() for x in tokens(3, 10)))
    wanted = tuple(x.bfloat16() for x in tokens(13))
    torch.testing.assert_close(contents(fork), wanted, rtol=0, atol=0)
    assert (tmp_path / "layer.keys.0").stat().st_size == 10 * 2 * 3 * 2


def test_too_short_a_file_is_damage(tmp_path):
    filled(tmp_path / "layer")
    os.truncate(tmp_path / "layer.values.0", 20)
    with pytest.raises(DamagedFileError, match=r"layer\.values holds 1 rows where 10"):
        FileStore.open(tmp_path / "layer", 2, 3, length=10)


def test_a_full_disk_gets_a_sentence(tmp_path, monkeypatch):
    store = filled(tmp_path / "layer")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(RequestError, match="no room left"):
        store.append(*tokens(1, 10))
    assert store.length == 10
