"""LongPPL by its package, against its definition."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from farspan.evaluation.models import longppl
from farspan.evaluation.models.base import CellFailedError
from farspan.evaluation.models.longppl import MOST_TOKENS, long_loss

from ...tiny import make_tokenizer

TOKENIZER = make_tokenizer()
CPU = torch.device("cpu")


def scores_that_remember(ids):
    """Sure of every token that occurred 4,500 tokens or more ago after the same token."""
    table = torch.zeros(len(ids), TOKENIZER.vocab_size)
    if len(ids) > 5500:
        for i in range(4500, len(ids) - 1):
            table[i, int(ids[i + 1])] = 12.0
    return table


def test_a_missing_package_and_too_long_a_text_fail_the_cell(monkeypatch):
    monkeypatch.setattr(longppl.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CellFailedError, match=r"farspan\[longppl\]"):
        long_loss(scores_that_remember, CPU, TOKENIZER, np.zeros(5000, np.uint32))
    monkeypatch.undo()
    monkeypatch.setattr(longppl.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(CellFailedError, match="at most"):
        long_loss(scores_that_remember, CPU, TOKENIZER, np.zeros(MOST_TOKENS + 1, np.uint32))


def test_key_tokens_are_those_that_gain_and_their_perplexity_counts():
    pytest.importorskip("longppl")
    text = " ".join(f"{'abcdefgh'[i % 8]}{i % 7}" for i in range(4000))
    ids = np.array(TOKENIZER.encode(text), dtype=np.uint32)[:6000]
    ids = np.array(TOKENIZER.encode(TOKENIZER.decode(ids.tolist())), dtype=np.uint32)
    loss = long_loss(scores_that_remember, CPU, TOKENIZER, ids)
    each = F.cross_entropy(
        scores_that_remember(ids)[:-1], torch.from_numpy(ids[1:].astype(np.int64)), reduction="none"
    )
    assert loss == pytest.approx(float(each[4600:-1].mean()), abs=0.05)
    assert loss < 0.1 < float(each.mean())


def test_a_text_that_gains_nothing_fails_the_cell():
    pytest.importorskip("longppl")
    flat = lambda ids: torch.zeros(len(ids), TOKENIZER.vocab_size)  # noqa: E731
    ids = np.array(TOKENIZER.encode("The goat was called Button. " * 800), dtype=np.uint32)[:5500]
    with pytest.raises(CellFailedError, match="gains"):
        long_loss(flat, CPU, TOKENIZER, ids)
