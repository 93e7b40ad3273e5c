"""Passkey scores: side by side as alone, and a model that knows nothing scores nothing."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from farspan.data.passkey import Passkeys
from farspan.evaluation import passkey
from farspan.evaluation.passkey import passkey_score

from ..tiny import make_model

PLAN = "window(7), infini(16, rule=gated_delta), window(5), infini(32), window(8)"


@pytest.fixture(scope="module")
def model():
    return make_model(PLAN, dtype=torch.float32)


def test_an_untrained_model_scores_zero(model):
    passkeys = Passkeys(model.tokenizer)
    score = passkey_score(model.decoder, passkeys, 1200, 0.5, 3, chunk=128)
    assert (score.right, score.total) == (0, 3)


def test_a_row_scores_as_it_does_alone(model, monkeypatch):
    """With answers that the model itself gives, all are right, read together or one by one."""
    passkeys = Passkeys(model.tokenizer)

    class Answering(Passkeys):
        def case(self, length, depth, rng, *, n_words=0):
            case = passkeys.case(length, depth, rng)
            ids, answer = torch.from_numpy(case.ids), []
            for _ in case.answer_ids:
                tokens = passkey.Tokens.plain(1, len(ids), first_asked=0)
                features, _ = model.decoder(ids[None], tokens, model.decoder.init_state(1))
                answer.append(model.decoder.logits(features[:, -1]).argmax().item())
                ids = torch.cat((ids, torch.tensor(answer[-1:])))
            return dataclasses.replace(case, answer_ids=ids[len(case.ids) :].numpy())

    with torch.inference_mode():
        for batch in (3, 1):
            score = passkey_score(
                model.decoder, Answering(model.tokenizer), 1000, 0.9, 3, batch=batch, chunk=100
            )
            assert score.right == 3
