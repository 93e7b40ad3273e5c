"""Baselines on the same weights."""

import numpy as np
import pytest
import torch

from farspan.evaluation.encoder import Encoder, Passage
from farspan.evaluation.models import baselines
from farspan.evaluation.models.baselines import WindowModel, YarnModel, load_baseline, with_yarn
from farspan.evaluation.models.farspan import FarspanModel
from farspan.evaluation.models.frame import Frame
from farspan.evaluation.samples import Question, Sample
from farspan.positions.rotary import Rotary

from ...tiny import STORY, make_model

NATIVE = 128  # of the tiny model


@pytest.fixture(scope="module")
def full():
    return make_model("full", dtype=torch.float32)


def sample(model, length):
    encode = Encoder(model.tokenizer)
    ids = np.resize(encode.ids(STORY), length)
    head = encode("Read.\n")
    return Sample(head, type(head)("", ids), (Question("Who?", ("x",), "x"),))


def test_yarn_is_the_checkpoints_own_scaling(full):
    scaled = with_yarn(full, 4)
    scaling = {
        "rope_type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": NATIVE,
    }
    expected = Rotary(full.decoder.config.head_dim, full.decoder.config.rope_theta, scaling)
    for rotary in (scaled.decoder.rotary, scaled.decoder.layer(0).mixer.rotary):
        torch.testing.assert_close(rotary.frequencies()[0], expected.frequencies()[0])
        assert rotary.frequencies()[1] == expected.frequencies()[1]
    assert with_yarn(full, 1) is full
    shared = scaled.decoder.embed.weight.data_ptr()
    assert shared == full.decoder.embed.weight.data_ptr() == scaled.decoder.head.weight.data_ptr()


def test_a_prompt_of_just_the_native_length_is_not_stretched(full):
    model = YarnModel("yarn", full, Frame.of_message(full.tokenizer))
    one = sample(full, 10)
    rest = model._length(one, 3) - 10
    model.answer([sample(full, NATIVE - rest)], 3)
    assert model.factor == 1
    model.answer([sample(full, NATIVE - rest + 1)], 3)
    assert model.factor == 2


@pytest.mark.parametrize(("length", "factor"), [(60, 1), (150, 2), (400, 4)])
def test_the_factor_follows_the_length(full, length, factor):
    model = YarnModel("yarn", full, Frame.of_message(full.tokenizer))
    replies = model.answer([sample(full, length)], 3)
    assert model.factor == factor
    plain = FarspanModel("x", with_yarn(full, factor), Frame.of_message(full.tokenizer))
    assert replies[0][0].text == plain.answer([sample(full, length)], 3)[0][0].text
    assert len(model.losses(sample(full, length), [10, 20], 8)) == 2


def test_a_window_is_the_model_asked_about_the_end(full):
    window = WindowModel("w", full, Frame.of_message(full.tokenizer))
    plain = FarspanModel("x", full, Frame.of_message(full.tokenizer))
    short, long = sample(full, 60), sample(full, 500)
    assert window.answer([short], 5)[0][0].text == plain.answer([short], 5)[0][0].text
    cropped = window._cropped(long, 5)
    kept = cropped.body.n_tokens
    assert cropped.body.ids.tolist() == long.body.ids[-kept:].tolist()
    asked = len(window.frame.prompt(long.questions[0], window.tokenizer))
    assert len(window.frame.document(cropped, window.tokenizer)) + asked + 5 == NATIVE
    assert window.answer([long], 5)[0][0].text == plain.answer([cropped], 5)[0][0].text
    assert window.losses(long, [20], 8) == pytest.approx(plain.losses(long, [20], 8), abs=1e-4)
    room = NATIVE - window.overhead - long.head.n_tokens - 8
    end = Sample(long.head, Passage("", long.body.ids[400 - room : 408]), long.questions)
    assert window.losses(long, [400], 8) == pytest.approx(plain.losses(end, [room], 8), abs=1e-4)


def test_limits_and_plans_of_each_kind(monkeypatch, full):
    asked = []

    def fake(name, **options):
        asked.append(options)
        return full

    monkeypatch.setattr(baselines, "load_model", fake)
    options = {"device": "cpu", "dtype": None, "say": lambda _: None}
    one = load_baseline("m+full", "m", "full", **options)
    assert one.why_not(NATIVE) == "" and "128 tokens" in one.why_not(NATIVE + 1)
    yarn = load_baseline("m+yarn", "m", "yarn", **options)
    assert yarn.why_not(16 * NATIVE) == "" and yarn.why_not(17 * NATIVE)
    window = load_baseline("m+window", "m", "window", **options)
    assert window.why_not(10**7) == "" and "last tokens of 128" in window.about["window"]
    assert all(x["adapter"] is False and x["plan"] == "full" for x in asked)
    assert len({one.identity, yarn.identity, window.identity}) == 3
    reply = window.answer([sample(full, 300)], 4)[0][0]
    assert reply.new_tokens <= 4
