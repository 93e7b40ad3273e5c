"""The recipe from nothing: its rows ask what stands in them, and training moves towards answers."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from farspan.training.run import read_rows
from farspan.training.tiny import (
    ASK,
    KEYS,
    QUESTIONS,
    TINY,
    accuracy,
    from_scratch_tiny_cpu,
    pair_rows,
    tiny_model,
)


def test_what_is_asked_stands_in_the_row():
    batch = pair_rows(5, 64, torch.Generator().manual_seed(0))
    for row in batch.token_bt:
        body, tail = row[: batch.first_asked], row[batch.first_asked :].view(QUESTIONS, 3)
        for mark, key, value in tail.tolist():
            assert mark == ASK and key < KEYS <= value
            (place,) = (body == key).nonzero().flatten().tolist()
            assert body[place + 1] == value
    _, weight = batch.targets()
    assert weight.sum() == 5 * QUESTIONS


def test_a_short_run_is_told_and_exported(tmp_path):
    from_scratch_tiny_cpu(tmp_path, dataclasses.replace(TINY, steps=3, log_every=1))
    rows = read_rows(tmp_path)
    assert [row["step"] for row in rows[:3]] == [1, 2, 3]
    assert set(rows[3]) == {"chance", "accuracy_64", "accuracy_256"}
    assert (tmp_path / "model" / "model.safetensors").is_file()
    assert "from_scratch_tiny_cpu" in (tmp_path / "README.md").read_text()


@pytest.mark.slow
def test_it_learns_to_look_things_up(tmp_path):
    decoder = from_scratch_tiny_cpu(tmp_path)
    assert accuracy(tiny_model(TINY.plan), 64) < 0.2
    assert accuracy(decoder, 64) > 0.9
