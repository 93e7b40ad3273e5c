"""The passkey recipe: its batches, its gates, and that a toy run changes the memory."""

from __future__ import annotations

import dataclasses

import torch

from farspan.training.config import Stage
from farspan.training.loop import train
from farspan.training.metrics import gate_summary
from farspan.training.passkey import (
    INFINI_PASSKEY,
    PasskeySource,
    infini_mixers,
    specialise_gates,
)

from ..tiny import make_model

CONFIG = dataclasses.replace(
    INFINI_PASSKEY,
    plan="window(64), infini(64, rule=gated_delta)*3, window(64)",
    steps=2,
    stages=(Stage(0.5, 1280, 64), Stage(1.0, 2560, 32)),
    read_tokens=2560,
    tail_tokens=256,
    log_every=1,
    workers=0,
)


def make():
    model = make_model(CONFIG.plan, dtype=torch.float32)
    model.decoder.requires_grad_(True)
    specialise_gates(model.decoder)
    return model


def test_batches_are_the_same_for_the_same_step():
    source = PasskeySource(make().tokenizer, CONFIG)
    (first,), (again,), (other,) = (source.batches(step) for step in (0, 0, 1))
    assert first.token_bt.shape == (2, 1280) and other.token_bt.shape == (1, 2560)
    assert first.times_bn.shape == (2, 20) and other.times_bn.shape == (1, 80)
    torch.testing.assert_close(first.token_bt, again.token_bt)
    assert (first.weight_bt[:, : first.first_asked + 1] == 0).all()
    assert PasskeySource(make().tokenizer, CONFIG, repeats=False).batches(0)[0].times_bn is None


def test_a_third_of_the_heads_begins_as_memory():
    decoder = make().decoder
    for mixer in infini_mixers(decoder):
        assert mixer.gate.weight.tolist() == [-3, -3, 1, 1]
    assert gate_summary(decoder)["gate_range"] == [0.047, 0.389, 0.731]


def test_training_moves_gates_memory_and_weights(tmp_path):
    model = make()
    before = {name: x.detach().clone() for name, x in model.decoder.named_parameters()}
    assert train(model.decoder, PasskeySource(model.tokenizer, CONFIG), CONFIG, tmp_path) == 2
    for name, parameter in model.decoder.named_parameters():
        frozen = name.startswith(("embed", "head"))
        assert torch.equal(parameter, before[name]) == frozen, name
    assert [mixer.segment for mixer in infini_mixers(model.decoder)] == [32, 32, 32]
