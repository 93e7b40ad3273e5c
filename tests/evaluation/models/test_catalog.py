"""Names of models."""

import pytest

from farspan.errors import RequestError
from farspan.evaluation.models import catalog
from farspan.evaluation.models.catalog import Options, check_name, load
from farspan.models import default, gguf

GOOD = ("oracle", "smollm2", "./folder", "hf:org/name", "smollm2+yarn", "org/name+bm25")


@pytest.mark.parametrize("name", [*GOOD, "http://h:1/v1#m", "https://h/v1#a+b"])
def test_good_names_pass(name):
    check_name(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("smollm2+rag", "there are full, yarn, window, bm25, embedding"),
        ("oracle+yarn", "give oracle, silent, smollm2"),
        ("+yarn", "is not a model"),
        ("", "is not a model"),
        ("http://host/v1", "names no model"),
    ],
)
def test_bad_names_are_answered_with_what_is_allowed(name, reason):
    with pytest.raises(RequestError, match=reason):
        check_name(name)


def test_players_count_with_the_default_models_tokenizer(monkeypatch, tokenizer):
    monkeypatch.setattr(default, "default_model_path", lambda say: "model.gguf")
    monkeypatch.setattr(gguf, "read_gguf", lambda path: (None, None, tokenizer))
    model = load("oracle", Options(), lambda _: None)
    assert (model.name, model.tokenizer) == ("oracle", tokenizer)
    assert catalog.PLAYERS == ("oracle", "silent")


def test_a_checkpoint_that_is_not_there_is_told():
    with pytest.raises(RequestError):
        load("hf:./nowhere", Options(device="cpu"), lambda _: None)
