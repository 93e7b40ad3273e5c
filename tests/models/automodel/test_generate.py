"""`generate` in every mode, against the original model and against plain forward passes."""

from __future__ import annotations

import copy

import pytest
import torch

import farspan  # noqa: F401 (registers the models)
from farspan.errors import RequestError
from farspan.models.convert import convert
from tests.models.checkpoints import write_checkpoint

transformers = pytest.importorskip("transformers")

PLANS = (
    "full*3",
    "window(7), recall(5), window(9, sinks=2)",
    "infini(8, rule=gated_delta), gla, full",
)
NEW = 12


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("in") / "model")


@pytest.fixture(scope="module")
def models(original, tmp_path_factory):
    """A model for each plan."""
    folder = tmp_path_factory.mktemp("out")
    original.save_pretrained(folder / "in")
    write_checkpoint(folder / "in")
    found = {}
    for i, plan in enumerate(PLANS):
        convert(str(folder / "in"), folder / str(i), plan=plan)
        auto = transformers.AutoModelForCausalLM
        found[plan] = auto.from_pretrained(folder / str(i), dtype=torch.float32).eval()
        found[plan].generation_config.eos_token_id = None
    return found


@pytest.fixture
def ids():
    torch.manual_seed(5)
    return torch.randint(400, (3, 25))


def greedy(model, ids, count=NEW, mask=None):
    """Whole forward passes, no cache."""
    mask = torch.ones_like(ids) if mask is None else mask
    for _ in range(count):
        with torch.no_grad():
            logits = model(ids, attention_mask=mask, use_cache=False).logits[:, -1]
        ids = torch.cat((ids, logits.argmax(-1, keepdim=True)), dim=1)
        mask = torch.cat((mask, torch.ones_like(mask[:, :1])), dim=1)
    return ids


@pytest.mark.parametrize("plan", PLANS)
def test_greedy(models, plan, ids):
    found = models[plan].generate(ids, max_new_tokens=NEW, do_sample=False, pad_token_id=0)
    assert torch.equal(found, greedy(models[plan], ids))


def test_modes_equal_those_of_the_original(original, models, ids):
    model = models[PLANS[0]]
    original.generation_config.eos_token_id = None
    for mode in (
        {"do_sample": False},
        {"num_beams": 3, "do_sample": False},
        {"num_beams": 2, "num_return_sequences": 2, "do_sample": False},
        {"do_sample": True, "top_p": 0.9, "temperature": 0.7},
    ):
        rows = []
        for each in (original, model):
            torch.manual_seed(0)
            rows.append(each.generate(ids, max_new_tokens=NEW, pad_token_id=0, **mode))
        assert torch.equal(*rows), mode


@pytest.mark.parametrize("plan", PLANS[1:])
def test_beams_equal_those_without_a_cache(models, plan, ids):
    rows = [
        models[plan].generate(
            ids, max_new_tokens=NEW, num_beams=3, do_sample=False, pad_token_id=0, use_cache=cache
        )
        for cache in (True, False)
    ]
    assert torch.equal(*rows)


@pytest.mark.parametrize("plan", PLANS)
def test_left_padding_changes_nothing(models, plan, ids):
    lengths = (25, 11, 1)
    rows, masks = [], []
    for row, length in zip(ids, lengths, strict=True):
        pad = ids.shape[1] - length
        rows.append(torch.cat((torch.full((pad,), 3), row[:length])))
        masks.append(torch.arange(ids.shape[1]) >= pad)
    mask = torch.stack(masks).long()
    found = models[plan].generate(
        torch.stack(rows), attention_mask=mask, max_new_tokens=NEW, do_sample=False, pad_token_id=0
    )
    for i, length in enumerate(lengths):
        alone = greedy(models[plan], ids[i : i + 1, :length])
        assert torch.equal(found[i, -NEW:], alone[0, -NEW:]), length


@pytest.mark.parametrize("plan", PLANS)
def test_going_on_from_a_cache_and_from_a_copy_of_it(models, plan, ids):
    model = models[plan]
    cache = transformers.DynamicCache(config=model.config)
    with torch.no_grad():
        model(ids[:, :10], past_key_values=cache)
    kept = copy.deepcopy(cache)
    expected = greedy(model, ids)
    for each in (cache, kept):
        found = model.generate(
            ids, past_key_values=each, max_new_tokens=NEW, do_sample=False, pad_token_id=0
        )
        assert torch.equal(found, expected)
    assert cache.get_seq_length() == kept.get_seq_length() >= 25 + NEW - 1


def test_chunked_prefill_is_the_same(models, ids):
    found = models[PLANS[1]].generate(
        ids, max_new_tokens=NEW, do_sample=False, pad_token_id=0, prefill_chunk_size=8
    )
    assert torch.equal(found, greedy(models[PLANS[1]], ids))


def test_read_tokens_are_read(models, ids):
    """A read prefix is what `farspan.engine` reads; what follows is asked."""
    from farspan.mixers.base import Tokens

    model = models[PLANS[1]]
    state = model.model.init_state(3)
    with torch.no_grad():
        _, state = model.model(ids[:, :20], Tokens.plain(3, 20), state)
        tokens = Tokens.plain(3, 5, start=20, first_asked=0)
        features, _ = model.model(ids[:, 20:], tokens, state)
        wanted = model.model.logits(features)
        found = model(ids, read_tokens=20).logits
        per_row = model(ids, read_tokens=torch.tensor([20, 20, 20])).logits
        asked = model(ids).logits[:, 20:]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(per_row, wanted, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(asked, wanted, atol=1e-3)
    mixed = torch.tensor([20, 20, 5])
    with torch.no_grad():
        rows = model(ids, read_tokens=mixed).logits[:, 20:]
    torch.testing.assert_close(rows[:2], wanted[:2], atol=1e-5, rtol=1e-5)
    out = model.generate(ids, max_new_tokens=NEW, do_sample=False, read_tokens=20, pad_token_id=0)
    assert torch.equal(out[:, 25], wanted[:, -1].argmax(-1))


def test_padding_may_come_with_positions(models, ids):
    mask = torch.ones_like(ids)
    mask[0, :4] = 0
    places = (mask.cumsum(1) - 1).clamp_min(0)
    model = models[PLANS[0]]
    with torch.no_grad():
        one = model(ids, attention_mask=mask).logits
        two = model(ids, attention_mask=mask, position_ids=places).logits
        shifted = model(ids, position_ids=torch.arange(25)[None] + 3).logits
        plain = model(ids).logits
    torch.testing.assert_close(one, two)
    torch.testing.assert_close(shifted, plain, atol=1e-4, rtol=1e-4)  # rotary sees distances


def test_bad_inputs_are_refused(models, ids):
    model = models[PLANS[0]]
    cache = transformers.DynamicCache(config=model.config)
    with torch.no_grad():
        model(ids, past_key_values=cache)
    with pytest.raises(RequestError, match="attention_mask is"):
        model(ids, attention_mask=torch.ones_like(ids), past_key_values=cache)
    with pytest.raises(RequestError, match="3 rows, 1 came"):
        model(ids[:1], past_key_values=cache)
    with pytest.raises(RequestError, match="inputs_embeds"):
        model(inputs_embeds=torch.zeros(1, 2, 32))
    with pytest.raises(RequestError, match="cannot be cut shorter"):
        cache.crop(-2)
    other = transformers.DynamicCache()
    other.update(torch.zeros(3, 2, 4, 8), torch.zeros(3, 2, 4, 8), 0)
    with pytest.raises(RequestError, match="not one of a farspan model"):
        model(ids, past_key_values=other)
    cache.reset()
    with torch.no_grad():
        torch.testing.assert_close(model(ids, past_key_values=cache).logits, model(ids).logits)


def test_loss_is_that_of_the_next_token(models, ids):
    model = models[PLANS[0]]
    out = model(ids, labels=ids)
    flat = torch.nn.functional.cross_entropy(out.logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    torch.testing.assert_close(out.loss, flat)


@pytest.mark.parametrize("plan", PLANS)
def test_mixed_precision_trains(models, plan, ids):
    model = copy.deepcopy(models[plan])
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(ids, labels=ids).loss
    loss.backward()
    assert loss.item() == pytest.approx(model(ids, labels=ids).loss.item(), rel=0.02)
    assert all(torch.isfinite(x.grad).all() for x in model.parameters() if x.grad is not None)
