"""Perplexity is exp of the mean negative log-likelihood."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from farspan.evaluation.perplexity import perplexity, spaced_rows
from farspan.mixers.base import Tokens

from ..tiny import make_model


def test_equals_its_definition():
    decoder = make_model(dtype=torch.float32).decoder
    rows = np.random.default_rng(0).integers(0, 300, (5, 12))
    ids = torch.from_numpy(rows)
    features, _ = decoder(ids, Tokens.plain(5, 12, first_asked=0), decoder.init_state(5))
    log_p = decoder.logits(features).log_softmax(-1)[:, :-1]
    wanted = torch.exp(-log_p.gather(-1, ids[:, 1:, None]).mean())
    assert perplexity(decoder, rows, batch=2) == pytest.approx(wanted.item(), rel=1e-5)


def test_rows_are_spread_from_start_to_end():
    rows = spaced_rows(np.arange(100), 3, 10)
    assert rows[:, 0].tolist() == [0, 45, 90]
    assert rows.shape == (3, 10)
