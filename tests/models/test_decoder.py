"""The decoder: chunk invariance over whole plans, reading depth, forks, disk stores."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch

from farspan.errors import RequestError
from farspan.memory.file_store import FileStore
from farspan.memory.scan import attend_store
from farspan.memory.search import Search
from farspan.mixers.base import Tokens
from farspan.mixers.recall import chunked as recall
from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder
from farspan.models.plan import parse_plan

CONFIG = ModelConfig(
    family="llama",
    vocab_size=64,
    d_model=24,
    n_layers=6,
    n_heads=4,
    n_kv_heads=2,
    head_dim=8,
    d_ff=48,
    context_length=128,
    tied_embeddings=True,
)
PLANS = [
    "full",
    "window(7)*6",
    "window(5)*2, recall(5), window(4, sinks=1), recall(6), window(3)",
    "linear, retention, gla(8), delta(16), gated_delta, window(4)",
]


@pytest.fixture
def ids():
    return torch.randint(64, (2, 40), generator=torch.Generator().manual_seed(1))


def make(plan: str) -> Decoder:
    torch.manual_seed(0)
    return Decoder(CONFIG, parse_plan(plan, CONFIG.n_layers)).double().eval()


def run(decoder, ids, first_asked, cuts=(), state=None, generic=False, start=0):
    """All features of asked tokens, chunk by chunk."""
    tokens = Tokens.plain(*ids.shape, first_asked=first_asked, start=start)
    tokens = tokens.generic() if generic else tokens
    state = state or decoder.init_state(ids.shape[0])
    edges, parts = [0, *cuts, ids.shape[1]], []
    for a, b in itertools.pairwise(edges):
        features, state = decoder(ids[:, a:b], tokens.slice(a, b), state)
        if features is not None:
            parts.append(features)
    return torch.cat(parts, dim=1), state


@pytest.mark.parametrize("plan", PLANS)
@torch.no_grad()
def test_chunks_and_paths_agree(plan, ids):
    decoder = make(plan)
    whole, _ = run(decoder, ids, first_asked=25)
    for cuts in [(10, 25, 31), (1, 2, 3, 26), (25,)]:
        parts, _ = run(decoder, ids, first_asked=25, cuts=cuts)
        torch.testing.assert_close(parts, whole, atol=1e-9, rtol=1e-9)
    masked, _ = run(decoder, ids, first_asked=25, cuts=(11, 30), generic=True)
    torch.testing.assert_close(masked[:, 25:], whole, atol=1e-9, rtol=1e-9)


@torch.no_grad()
def test_a_padded_row_answers_as_it_does_alone(ids):
    decoder = make(PLANS[2])
    tokens = Tokens.plain(2, 40, first_asked=25)
    shift = 9
    padded = torch.cat((torch.zeros(1, shift, dtype=torch.long), ids[1:, : 40 - shift]), dim=1)
    batch = torch.cat((ids[:1], padded))
    position, document, asked = (
        x.clone() for x in (tokens.position_bt, tokens.document_bt, tokens.asked_bt)
    )
    position[1, shift:] -= shift
    document[1, :shift] = -1
    together, _ = decoder(batch, Tokens(position, document, asked), decoder.init_state(2))
    alone, _ = run(decoder, ids[1:, : 40 - shift], first_asked=25 - shift)
    torch.testing.assert_close(together[1:, 25:], alone, atol=1e-9, rtol=1e-9)


@torch.no_grad()
def test_forks_of_a_document_do_not_meet(ids):
    decoder = make(PLANS[2])
    _, state = decoder(ids[:, :25], Tokens.plain(2, 25), decoder.init_state(2))
    first, _ = run(decoder, ids[:, 25:], 0, state=state.fork(), start=25)
    run(decoder, ids[:, 20:35], 0, state=state.fork(), start=25)
    again, _ = run(decoder, ids[:, 25:], 0, state=state.fork(), start=25)
    torch.testing.assert_close(first, again, rtol=0, atol=0)


@torch.no_grad()
def test_a_store_on_disk_answers_as_one_in_memory(ids, tmp_path):
    """Up to bfloat16 rounding: the fork scans its tail as a block of its own."""
    decoder = make(PLANS[2]).to(torch.bfloat16)
    row = ids[:1]

    def disk(layer):
        return FileStore.open(tmp_path / f"layer{layer}", CONFIG.n_kv_heads, CONFIG.head_dim)

    features = []
    for open_store in (None, disk):
        state = decoder.init_state(1, open_store=open_store)
        _, state = decoder(row[:, :25], Tokens.plain(1, 25), state)
        features.append(run(decoder, row[:, 25:], 0, state=state.fork(), start=25)[0])
    torch.testing.assert_close(features[0], features[1], rtol=2**-6, atol=0.03)


@pytest.mark.parametrize(("last_whole", "searched"), [(True, 1), (False, 2)])
def test_the_last_recall_layer_sees_everything_unless_told_otherwise(
    ids, monkeypatch, last_whole, searched
):
    calls = []

    def found(q, store, search, watch):
        calls.append(search)
        return attend_store(q, store, watch)

    monkeypatch.setattr(recall, "attend_found", found)
    decoder, search = make(PLANS[2]), Search(last_whole=last_whole)
    tokens = dataclasses.replace(Tokens.plain(2, 40, first_asked=30), search=search)
    features, _ = decoder(ids, tokens, decoder.init_state(2))
    assert calls == [search] * searched
    torch.testing.assert_close(features, run(decoder, ids, 30)[0])


def test_weights_go_out_as_they_came_in():
    decoder = make("full")
    tensors = {name: x.clone() for name, x in decoder.hugging_face_tensors().items()}
    other = Decoder(CONFIG, parse_plan("full", 6)).double()
    other.load_hugging_face(tensors)
    for name, parameter in decoder.named_parameters():
        torch.testing.assert_close(other.get_parameter(name), parameter, rtol=0, atol=0)


def test_mixers_that_take_rotary_positions_alone_refuse_others():
    config = CONFIG.stretched("self_extend(4, window=8)")
    for plan in ("infini(8)*6", "retention*6"):
        with pytest.raises(RequestError, match="takes rotary positions alone, not self_extend"):
            Decoder(config, parse_plan(plan, 6))
    with pytest.raises(RequestError, match="sinks have positions of their own"):
        Decoder(config, parse_plan("window(8, sinks=2)*6", 6))
    Decoder(config, parse_plan("full, window(8), recall(4), gla, delta, full", 6))


@pytest.mark.parametrize(
    "position", ["self_extend(4, window=16)", "dual_chunk(trained=20)", "log_length(trained=16)"]
)
def test_stretched_models_equal_themselves_on_short_text_and_differ_on_long(position):
    torch.manual_seed(0)
    config = CONFIG
    plain = Decoder(config, parse_plan("full*6", 6)).double()
    longer = Decoder(config.stretched(position), parse_plan("full*6", 6)).double()
    longer.load_state_dict(plain.state_dict())
    ids = torch.arange(40).unsqueeze(0)
    features = []
    for decoder in (plain, longer):
        tokens = Tokens.plain(1, 40, first_asked=0)
        features.append(decoder(ids, tokens, decoder.init_state(1))[0])
    torch.testing.assert_close(features[0][:, :15], features[1][:, :15], atol=1e-9, rtol=0)
    assert (features[0][:, 30:] - features[1][:, 30:]).abs().max() > 1e-3
