import os

import pytest
import torch

from farspan.engine import branch, journal


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """Tiny models lose time by sharing work among threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, places to go back to in short documents, and no waiting for the disk."""
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(journal, "SNAPSHOT_EVERY", 128)
    monkeypatch.setattr(branch, "LEAST_SHARED", 64)
    return tmp_path / "cache"
