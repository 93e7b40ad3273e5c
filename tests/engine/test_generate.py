import pytest
import torch

from farspan.engine.generate import advance, generate
from farspan.engine.reading import read
from farspan.engine.sampling import Sampling
from tests.tiny import STORY, make_model


@pytest.fixture(scope="module")
def model():
    return make_model(dtype=torch.float64)


@pytest.fixture(scope="module")
def state(model):
    ids = model.tokenizer.encode_document(STORY)[0]
    return read(model.decoder, ids, model.decoder.init_state(), chunk=32)


def greedy(model, prompt, state, count):
    """One forward pass of the whole sequence for each token."""
    found = []
    for _ in range(count):
        logits, _ = advance(model.decoder, [*prompt, *found], state.fork())
        found.append(int(logits.argmax()))
    return found


def test_greedy_equals_whole_passes(model, state):
    prompt = model.tokenizer.encode("What fell?")
    expected = greedy(model, prompt, state, 12)
    sampling = Sampling(max_tokens=12)
    for _ in range(2):  # the state is as it was
        assert list(generate(model.decoder, prompt, state, sampling=sampling)) == expected
    stop = expected[5]
    found = list(generate(model.decoder, prompt, state, sampling=sampling, stop_ids=[stop]))
    assert found == expected[: expected.index(stop)]


def test_watching_changes_nothing_and_sees_every_answer_token(model, state):
    prompt = model.tokenizer.encode("What fell?")
    looks = []
    found = list(
        generate(
            model.decoder,
            prompt,
            state,
            sampling=Sampling(max_tokens=7),
            watch_block=16,
            on_look=looks.append,
        )
    )
    assert found == greedy(model, prompt, state, 7)
    assert len(looks) == 7  # six tokens that go in, and the prompt's last
    n_stored = state.length + len(prompt) + 1
    for mass in looks:
        assert len(mass) == 2  # recall layers
        for layer in mass:
            assert layer.shape[:3] == (1, 1, 4) and layer.shape[3] >= -(-n_stored // 16)
            torch.testing.assert_close(layer.sum(-1), torch.ones(1, 1, 4, dtype=layer.dtype))


def test_watching_seldom_changes_nothing_but_how_often(model, state):
    every, seldom = [], []
    for looks, step in ((every, 1), (seldom, 3)):
        tokens = list(
            generate(
                model.decoder,
                model.tokenizer.encode("Who?"),
                state,
                sampling=Sampling(max_tokens=7),
                watch_every=step,
                on_look=looks.append,
            )
        )
        looks.append(tokens)
    assert seldom.pop() == every.pop()
    assert (len(every), len(seldom)) == (7, 3)  # of six tokens that go in, and the prompt's last
