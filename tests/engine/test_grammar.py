import json

import pytest
import torch

from farspan.engine.grammar import ANY_OBJECT, Grammars
from farspan.engine.sampling import Sampler, Sampling
from farspan.errors import RequestError
from tests.tiny import make_tokenizer

pytest.importorskip("llguidance")
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "age": {"type": "integer", "minimum": 0, "maximum": 99},
        "kind": {"enum": ["goat", "captain"]},
    },
    "required": ["name", "age", "kind"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module")
def grammars(tokenizer):
    return Grammars(tokenizer, tokenizer.vocab_size + 3)  # a padded vocabulary


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_model_wants_comes_out_by_the_schema(tokenizer, grammars, seed):
    chance = torch.Generator().manual_seed(seed)
    make = grammars.json(SCHEMA)
    sampler = Sampler(Sampling(temperature=1.0, seed=seed), constraint=make())
    ids = []
    for _ in range(200):
        logits = torch.randn(tokenizer.vocab_size + 3, generator=chance)
        token = sampler.choose(logits).token
        if token in tokenizer.eos_ids:
            break
        ids.append(token)
        sampler.note(token)
        if sampler.constraint.is_finished():
            break
    found = json.loads(tokenizer.decode(ids))
    assert set(found) == {"name", "age", "kind"}
    assert 0 <= found["age"] <= 99 and found["kind"] in ("goat", "captain")
    assert isinstance(found["name"], str) and len(found["name"]) <= 6


def test_bad_schemas_are_refused(grammars):
    grammars.json(ANY_OBJECT)
    with pytest.raises(RequestError, match="not understood"):
        grammars.json({"type": "nonsense"})
    with pytest.raises(RequestError, match="characters"):
        grammars.json({"enum": ["x" * 100_000]})
