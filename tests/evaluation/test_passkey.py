"""Passkey scores: side by side as alone, and a model that knows nothing scores nothing."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from farspan.data.passkey import Passkeys
from farspan.evaluation import passkey
from farspan.evaluation.passkey import passkey_scores

from ..tiny import make_model

PLAN = "window(7), infini(16, rule=gated_delta), window(5), infini(32), window(8)"


@pytest.fixture(scope="module")
def model():
    return make_model(PLAN, dtype=torch.float32)


def test_an_untrained_model_scores_zero(model):
    passkeys = Passkeys(model.tokenizer)
    scores = passkey_scores(model.decoder, passkeys, (1200, 1000), 0.5, 3, chunk=128)
    assert [(s.length, s.right, s.total) for s in scores] == [(1000, 0, 3), (1200, 0, 3)]


@pytest.mark.parametrize("depth", [0.0, 0.5, 1.0])
def test_what_was_read_before_is_gone_on_with_exactly(model, depth):
    """With answers that the model itself gives, all are right at every length and depth."""
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
        answering = Answering(model.tokenizer)
        scores = passkey_scores(model.decoder, answering, (700, 1000, 1600), depth, 3, chunk=100)
        assert [score.right for score in scores] == [3, 3, 3]
