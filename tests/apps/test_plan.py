"""Estimates from a checkpoint's header alone, and their picture."""

from __future__ import annotations

import json

import pytest

from farspan.apps.plan import estimate
from farspan.apps.plan_picture import draw
from farspan.errors import RequestError
from farspan.evaluation import roofline
from tests.models.test_gguf import write


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setattr(roofline, "SECONDS", 0.0)
    write(tmp_path / "tiny.gguf")
    return str(tmp_path / "tiny.gguf")


def test_an_estimate_stands_beside_full_attention(tiny):
    found = estimate(tiny, plan="window(64)*2", tokens=1 << 20, device="cpu", dtype="float32")
    assert found.growth(found.full, found.full_short) == pytest.approx(256, rel=1e-3)
    assert found.growth(found.cost, found.short) == pytest.approx(1, rel=0.02)
    assert found.seconds(found.cost) < found.seconds(found.full)
    report = json.loads(json.dumps(found.report()))
    assert report["tokens"] == 1 << 20 and report["dtype"] == "float32"
    assert report["plan"]["parameters"] == report["full"]["parameters"]
    assert len(report["plan"]["layers"]) == 2 and list(found.masks) == ["window(64)"]
    held = sum(layer["state_bytes"] for layer in report["plan"]["layers"])
    assert held == report["plan"]["state_bytes"] < report["full"]["state_bytes"]


def test_pictures_are_png_files(tiny, tmp_path):
    pytest.importorskip("matplotlib")
    found = estimate(tiny, plan="window(64), recall(8)", tokens=8192, device="cpu")
    path = tmp_path / "plan.png"
    draw(found, path)
    assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000
    for other, said in (("plan.jpg", "ends in .png"), ("no/plan.png", "cannot be written")):
        with pytest.raises(RequestError, match=said):
            draw(found, tmp_path / other)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"plan": "full*3"}, "3 layers, the model has 2"),
        ({"plan": "window(0)*2"}, "at least 1 token"),
        ({"tokens": 0}, "at least 1 token"),
        ({"position": "alibi"}, "replace_rotary"),
        ({"factor": 4.0}, "name one"),
        ({"position": "self_extend(4)", "plan": "infini*2"}, "rotary positions alone"),
        ({"dtype": "int3"}, "unknown"),
    ],
)
def test_impossible_plans_are_refused(tiny, options, said):
    with pytest.raises(RequestError, match=said):
        estimate(tiny, device="cpu", **options)
