"""Reading is timed on disk and leaves nothing behind."""

from __future__ import annotations

import tempfile

import numpy as np
import torch

from farspan.evaluation.speed import hardware, measure_reading, read_once

from ..tiny import make_model


def test_reads_from_start_to_end_and_cleans_up(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seconds, decoding = read_once(make_model(dtype=torch.float32), np.arange(100) % 50)
    assert 0 < seconds < 60
    assert 0 < decoding < 60
    assert list(tmp_path.iterdir()) == []


def test_failures_become_rows(tmp_path):
    row = measure_reading(64, str(tmp_path / "missing.npy"))
    assert row["engine"] == "farspan"
    assert "failed" in row["skipped"]


def test_hardware_has_cores():
    assert "cores" in hardware()
