import numpy as np
import pytest
import torch

from farspan.engine.reading import Progress, default_chunk, next_stop, read
from tests.tiny import STORY, make_model


@pytest.fixture(scope="module")
def model():
    return make_model(dtype=torch.float64)


@pytest.fixture(scope="module")
def ids(model):
    return model.tokenizer.encode_document(STORY)[0]


def tensors(state):
    return [layer.recent.k_bshd for layer in state.layers] + [
        layer.store.k_bshd for layer in state.layers if hasattr(layer, "store")
    ]


def test_chunks_agree_and_progress_counts(model, ids):
    seen = []
    start = model.decoder.init_state()
    whole = read(model.decoder, ids, start, chunk=1000)
    parts = read(model.decoder, ids, start, chunk=16, on_progress=seen.append)
    assert parts.length == whole.length == len(ids)
    for one, two in zip(tensors(parts), tensors(whole), strict=True):
        torch.testing.assert_close(one, two, atol=1e-10, rtol=1e-10)
    assert [p.done for p in seen] == [*range(16, len(ids), 16), len(ids)]
    assert all(p.total == len(ids) and p.tokens_per_second > 0 for p in seen)


def test_chunks_end_at_multiples_wherever_reading_starts(model, ids):
    seen = []
    state = read(model.decoder, ids[:21], model.decoder.init_state(), chunk=16)
    read(model.decoder, ids[:64], state, chunk=16, on_progress=seen.append)
    assert [p.done for p in seen] == [32, 48, 64]


def test_the_state_behind_each_chunk_is_given(model, ids):
    seen = []
    start = model.decoder.init_state()
    read(model.decoder, ids[:50], start, chunk=16, on_state=seen.append)
    assert [state.length for state in seen] == [16, 32, 48, 50]
    assert [next_stop(x.length, 50, 16) for x in (start, *seen)] == [16, 32, 48, 50, 50]
    seen.clear()
    read(model.decoder, ids[:0], start, chunk=16, on_state=seen.append)
    assert seen == []


def test_progress_and_default_chunk():
    assert Progress(100, 300, 50.0).seconds_left == 4.0
    assert default_chunk(torch.device("cpu")) == 512
    assert default_chunk(torch.device("cuda")) == 16_384
    assert np.isfinite(Progress(0, 1, 0.0).seconds_left)
