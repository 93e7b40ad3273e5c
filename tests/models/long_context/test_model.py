"""The model with persistent memory: calls add up, padding is invisible, bad input is told."""

from __future__ import annotations

import itertools

import pytest
import torch

import farspan
from farspan.mixers.infini import RULES

EXACT = {"atol": 1e-9, "rtol": 1e-9}
VOCABULARY = 20


def make(rule="gated_delta", seed=0, **settings):
    torch.manual_seed(seed)
    own = {"d_state": 6, "compression_ratio": 2} if rule == "gated_mean" else {}
    small = {"d_model": 16, "n_heads": 2, "n_layers": 2, "segment": 5}
    model = farspan.LongContextModel(VOCABULARY, rule=rule, **(small | own | settings))
    with torch.no_grad():
        for block in model.blocks:
            block.mixer.gate.weight.fill_(1.0)  # so that the memory weighs
    return model.double().eval()


def draw(*shape):
    return torch.randint(VOCABULARY, shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("rule", RULES)
@torch.no_grad()
def test_calls_with_memory_equal_one_long_call(rule):
    model, ids = make(rule), draw(2, 37)
    whole, last = model(ids)
    assert whole.shape == (2, 37, VOCABULARY)
    for cuts in ([0, 5, 10, 37], [0, 1, 18, 19, 37], [*range(37), 37]):
        memory, parts = None, []
        for a, b in itertools.pairwise(cuts):
            logits, memory = model(ids[:, a:b], memory=memory)
            parts.append(logits)
        torch.testing.assert_close(torch.cat(parts, 1), whole, **EXACT)
        assert memory.length_b.tolist() == last.length_b.tolist() == [37, 37]
        assert memory.nbytes == last.nbytes
    forgetful, _ = model(ids[:, 20:])
    assert not torch.allclose(forgetful, whole[:, 20:], atol=1e-3)


@pytest.mark.parametrize("rule", RULES)
@torch.no_grad()
def test_padding_anywhere_in_any_call_is_invisible(rule):
    model, ids = make(rule), draw(2, 40)
    keep = torch.rand(2, 40, generator=torch.Generator().manual_seed(1)) < 0.7
    keep[0, :9] = False
    first, memory = model(ids[:, :23], keep[:, :23])
    second, memory = model(ids[:, 23:], keep[:, 23:].long(), memory)
    logits = torch.cat((first, second), 1)
    after, _ = model(draw(2, 6), memory=memory)
    for b in range(2):
        alone, own = model(ids[b : b + 1, keep[b]])
        torch.testing.assert_close(logits[b, keep[b]], alone[0], **EXACT)
        assert own.length_b.tolist() == [memory.length_b[b]]
        torch.testing.assert_close(
            after[b : b + 1], model(draw(2, 6)[b : b + 1], memory=own)[0], **EXACT
        )


@torch.no_grad()
def test_a_memory_can_be_forked():
    model = make()
    _, memory = model(draw(1, 12))
    first, _ = model(draw(1, 9), memory=memory)
    model(draw(1, 7), memory=memory)
    torch.testing.assert_close(model(draw(1, 9), memory=memory)[0], first, rtol=0, atol=0)


@torch.no_grad()
def test_size_of_a_memory_does_not_grow():
    model = make()
    _, memory = model(draw(1, 50))
    assert model(draw(1, 200), memory=memory)[1].nbytes == memory.nbytes


def test_gradients_reach_back_through_memory_unless_it_is_detached():
    model = make()
    _, memory = model(draw(1, 10))
    model(draw(1, 4), memory=memory)[0].sum().backward()
    assert memory.layers[0].memory.matrix_bgde.requires_grad
    assert not memory.detach().layers[0].memory.matrix_bgde.requires_grad
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_dropout_acts_in_training_alone():
    model, ids = make(dropout=0.5), draw(1, 8)
    assert torch.equal(model(ids)[0], model(ids)[0])
    model.train()
    assert not torch.equal(model(ids)[0], model(ids)[0])


@torch.no_grad()
def test_memory_on_disk_goes_on_as_in_memory(tmp_path):
    model = make()
    _, memory = model(draw(3, 18))
    memory.save(tmp_path / "memory.safetensors")
    restored = model.load_memory(tmp_path / "memory.safetensors")
    wanted = model(draw(3, 9), memory=memory)[0]
    torch.testing.assert_close(model(draw(3, 9), memory=restored)[0], wanted, rtol=0, atol=0)
    copy = make(seed=7)
    copy.load_state_dict(model.state_dict())
    assert torch.equal(copy(draw(3, 9), memory=restored)[0], wanted)


@pytest.mark.parametrize(
    "other", [{"rule": "delta"}, {"seed": 1}, {"n_layers": 1}, {"segment": 6}, {"n_heads": 4}]
)
def test_memories_of_other_models_are_refused(other, tmp_path):
    _, memory = make()(draw(1, 8))
    memory.save(tmp_path / "memory")
    stranger = make(**other)
    for hand_in in (
        lambda: stranger(draw(1, 3), memory=memory),
        lambda: stranger.load_memory(tmp_path / "memory"),
    ):
        with pytest.raises(ValueError, match=r"memory: it was made by .*rule=gated_delta.*this is"):
            hand_in()


def test_damaged_memories_are_told(tmp_path):
    model = make()
    path = tmp_path / "memory"
    with pytest.raises(ValueError, match="there is no such file"):
        model.load_memory(path)
    model(draw(1, 8))[1].save(path)
    good = path.read_bytes()
    for bad in (b"", b"nonsense", good[:-1], good.replace(b"matrix_bgde", b"matrix_bgdx")):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"damaged|is not what a memory"):
            model.load_memory(path)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"input_ids": draw(8)}, r"input_ids' shape is \[8\]; allowed is \[batch, tokens\]"),
        ({"input_ids": draw(1, 0)}, r"input_ids' shape is \[1, 0\]"),
        ({"input_ids": torch.zeros(1, 3)}, "input_ids' dtype is torch.float32; allowed is"),
        ({"input_ids": torch.tensor([[3, 20]])}, "input_ids is 20; allowed is 0 to 19"),
        ({"input_ids": torch.tensor([[-1, 2]])}, "input_ids is -1; allowed is 0 to 19"),
        ({"attention_mask": torch.ones(2, 4)}, r"shape is \[2, 4\]; allowed is \[1, 4\]"),
        ({"attention_mask": torch.full((1, 4), 0.5)}, "attention_mask is others; allowed is 0"),
        ({"memory": "yes"}, "memory: a str came; hand in what the last call returned"),
        ({"input_ids": draw(1, 31)}, "is 31; allowed is up to max_seq_len, 30"),
    ],
)
def test_bad_calls_are_told(call, message):
    with pytest.raises(ValueError, match=message):
        make(max_seq_len=30)(**({"input_ids": draw(1, 4)} | call))


def test_memories_that_do_not_fit_the_call_are_told():
    model = make(max_seq_len=30)
    _, memory = model(draw(2, 28))
    with pytest.raises(ValueError, match="memory's batch is 2; allowed is 1, as in this call"):
        model(draw(1, 3), memory=memory)
    with pytest.raises(ValueError, match="is 31; allowed is up to max_seq_len, 30"):
        model(draw(2, 3), memory=memory)
    with pytest.raises(ValueError, match=r"memory's dtype is torch.float64; allowed is"):
        model.float()(draw(2, 1), memory=memory)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_heads": 3}, "n_heads is 3; allowed is a number that divides d_model, 16"),
        ({"n_heads": 16}, "n_heads is 16"),
        ({"d_model": 0}, "d_model is 0; allowed is at least 2"),
        ({"n_layers": 0}, "n_layers is 0; allowed is at least 1"),
        ({"max_seq_len": 0}, "max_seq_len is 0"),
        ({"segment": 0}, "segment is 0"),
        ({"dropout": 1.0}, "dropout is 1.0; allowed is from 0 to below 1"),
        ({"rule": "mean"}, "rule is mean; allowed is one of linear, delta, gated_delta, gated"),
        ({"rule": "gated_mean", "compression_ratio": 3}, "compression_ratio is 3; allowed is a"),
        ({"rule": "delta", "compression_ratio": 4}, "compression_ratio is 4; allowed is 8 with"),
        ({"rule": "delta", "d_state": 32}, "d_state is 32; allowed is 64 or 8 with rule 'delta'"),
        ({"rule": "gated_mean", "d_state": 0}, "d_state is 0; allowed is at least 1"),
    ],
)
def test_bad_settings_are_told(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_the_model_is_found_under_its_public_names():
    from farspan.models import long_context

    for name in ("LongContextModel", "InfiniAttention", "CompressiveMemory"):
        assert getattr(farspan, name) is getattr(long_context, name)
    with pytest.raises(AttributeError, match="no attribute 'ShortContextModel'"):
        _ = farspan.ShortContextModel
