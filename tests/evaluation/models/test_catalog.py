"""Names of models."""

import pytest

from farspan.errors import RequestError
from farspan.evaluation.models import catalog
from farspan.evaluation.models.catalog import Options, baselines_of, check_name, load
from farspan.models import default, gguf

GOOD = ("oracle", "smollm2", "./folder", "hf:org/name", "smollm2+yarn", "org/name+bm25")


@pytest.fixture
def packages(monkeypatch):
    """All packages are there, but those that a test takes away."""
    missing: set[str] = set()
    there = lambda name: None if name in missing else object()  # noqa: E731
    monkeypatch.setattr(catalog.importlib.util, "find_spec", there)
    return missing


@pytest.mark.parametrize("name", [*GOOD, "http://h:1/v1#m", "https://h/v1#a+b"])
def test_good_names_pass(name, packages):
    check_name(name)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("http://h/v1#m", "openai", "eval"),
        ("hf:org/name", "transformers", "eval"),
        ("smollm2+embedding", catalog.EMBEDDING_PACKAGE, "embedding"),
    ],
)
def test_a_missing_package_is_told_before_anything_is_loaded(name, package, extra, packages):
    packages.add(package)
    with pytest.raises(RequestError, match=rf"farspan\[{extra}\]"):
        check_name(name)


def test_baselines_without_their_package_are_left_out_with_a_word(packages):
    said: list[str] = []
    assert len(baselines_of("m", said.append)) == 5 and not said
    packages.add(catalog.EMBEDDING_PACKAGE)
    assert baselines_of("m", said.append) == ["m+full", "m+yarn", "m+window", "m+bm25"]
    assert "farspan[embedding]" in said[0]


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
