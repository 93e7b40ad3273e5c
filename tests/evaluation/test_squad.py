from __future__ import annotations

import json
from pathlib import Path

import pytest

from farspan.errors import RequestError
from farspan.evaluation.squad import (
    contains,
    exact_match,
    f1,
    mean_interval,
    normalise,
    read_squad,
    share_interval,
)


def test_normalised_as_squad_does() -> None:
    assert normalise("The  Saxon-Garden, an inn!") == "saxongarden inn"
    assert exact_match("a Saxon garden.", ["Ogród Saski", "The Saxon Garden"])
    assert not exact_match("Saxon", ["The Saxon Garden"])


def test_f1_is_the_best_harmonic_mean() -> None:
    assert f1("the old Saxon Garden", ["Saxon Garden"]) == pytest.approx(2 * 2 / (3 + 2))
    assert f1("Warsaw", ["Saxon Garden", "in Warsaw"]) == pytest.approx(2 / 3)
    assert f1("", ["Warsaw"]) == 0.0 and f1("the", ["a"]) == 1.0
    assert f1("to to to", ["to be"]) == pytest.approx(2 / 5)


def test_contains_whole_words() -> None:
    assert contains("It is called the Saxon Garden today.", ["Saxon garden"])
    assert not contains("the Saxon Gardeners", ["Saxon Garden"])


def test_intervals() -> None:
    low, high = share_interval(50, 100)
    assert (low, high) == (pytest.approx(0.4038, abs=1e-3), pytest.approx(0.5962, abs=1e-3))
    assert share_interval(0, 20)[0] == pytest.approx(0, abs=1e-9)
    low, high = mean_interval([0.0, 1.0] * 50)
    assert 0.38 < low < 0.43 and 0.57 < high < 0.62
    assert mean_interval([0.5] * 9) == (0.5, 0.5)


def test_reading(tmp_path: Path) -> None:
    qas = [{"question": "Who?", "answers": [{"text": "Ann"}]}, {"question": "No?", "answers": []}]
    articles = [{"paragraphs": [{"context": "Ann came.", "qas": qas}]}]
    for shape in (articles, {"data": articles}):
        path = tmp_path / "q.json"
        path.write_text(json.dumps(shape), encoding="utf-8")
        paragraphs, questions = read_squad(path)
        assert paragraphs == ["Ann came."]
        assert [(q.text, q.answers, q.paragraph) for q in questions] == [
            ("Who?", ("Ann",), "Ann came.")
        ]
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(RequestError, match="no question"):
        read_squad(path)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(RequestError, match="SQuAD format"):
        read_squad(path)
