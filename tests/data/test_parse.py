from __future__ import annotations

import sys

import pytest

from farspan.data import parse as module
from farspan.errors import RequestError


def test_parses_come_in_order() -> None:
    texts = [f"The captain counted {n} barrels." for n in ("two", "three", "four")]
    docs = list(module.parse(texts))
    assert [doc.text for doc in docs] == texts
    assert [(token.tag_, token.dep_) for token in docs[0][:2]] == [("DT", "det"), ("NN", "nsubj")]


def test_without_spacy_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    module._pipeline.cache_clear()
    with pytest.raises(RequestError, match=r"farspan\[train\]"):
        list(module.parse(["The captain slept."]))
