"""Sessions whose stores are quantised: restored, shared and moved like any other."""

from __future__ import annotations

import io

import pytest
import torch

from farspan.data.reader import document_from_text
from farspan.engine import shelf
from farspan.engine.portable import export_session, import_session
from farspan.engine.session import open_session
from farspan.engine.verify import verify
from farspan.errors import DamagedFileError, RequestError
from tests.engine.held import DOCUMENT, answer, contents, read_all, same, stop_after
from tests.tiny import make_model

pytestmark = pytest.mark.usefixtures("cache")
MODEL = make_model()
GROWN = document_from_text(DOCUMENT.text + "The goat ran away.\n" * 20, "story.txt")


def read(document, name, store=None, **options):
    with open_session(MODEL, document, name=name, store=store, **options) as session:
        read_all(session)
    return session


@pytest.mark.parametrize("kind", ["int8", "int4"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_restored_equals_uninterrupted(kind, dtype):
    model = make_model(dtype=dtype)
    with open_session(model, DOCUMENT, name="whole", store=kind) as whole:
        read_all(whole)
        expected, expected_answer = contents(whole), answer(whole)
    for tokens in (1, 100, 330):
        with (
            open_session(model, DOCUMENT, name="parts", store=kind, force=tokens == 1) as parts,
            pytest.raises(KeyboardInterrupt),
        ):
            read_all(parts, on_progress=stop_after(parts.length + tokens))
    with open_session(model, None, name="parts") as parts:
        assert 0 < parts.length < len(parts.ids)
        read_all(parts)
        found = contents(parts)
        assert all(torch.equal(x, found[name]) for name, x in expected.items())
        assert answer(parts) == expected_answer
        files = sum(p.stat().st_size for p in parts.folder.glob("layer-*"))
        assert files == parts.snapshots.bytes_on_disk(len(parts.ids))


def test_reading_writes_what_a_reading_in_bf16_would_have_written():
    plain, small = read(DOCUMENT, "plain"), read(DOCUMENT, "small", "int8")
    states = plain.snapshots.tensors(plain.state), small.snapshots.tensors(small.state)
    assert all(torch.equal(x, states[1][name]) for name, x in states[0].items())
    for layer, other in zip(plain.state.layers, small.state.layers, strict=True):
        if hasattr(layer, "store") and layer.store.length:
            k, found = layer.store.load().k_bshd, other.store.load().k_bshd
            torch.testing.assert_close(found, k, rtol=0, atol=0.05)


def test_it_grows_forks_travels_and_is_checked():
    read(DOCUMENT, "one", "int4")
    shelf.fork("one", "two", 700)
    grown = read(GROWN, "one")
    assert 0 < grown.tokens_read < len(grown.ids) / 2
    assert same(grown, read(GROWN, "anew", "int4", force=True))
    two = read(None, "two")
    assert len(two.ids) == 700
    file = io.BytesIO()
    export_session("one", file)
    assert import_session(io.BytesIO(file.getvalue()), "three").tokens == len(grown.ids)
    with open_session(MODEL, None, name="three") as three:
        assert same(three, grown) and answer(three) == answer(grown)
    assert verify("three").problems == ()
    path = three.folder / "layer-03.values.0"
    path.write_bytes(b"!" + path.read_bytes()[1:])
    assert "not what was written from token 0 on" in verify("three").problems[0]
    with open_session(MODEL, None, name="three") as three, pytest.raises(DamagedFileError):
        answer(three)


def test_wrong_stores_are_told():
    read(DOCUMENT, "one", "int8")
    with pytest.raises(RequestError, match="session one is kept in int8, not in int4; give"):
        open_session(MODEL, DOCUMENT, name="one", store="int4")
    with pytest.raises(RequestError, match="store is 'int2'; use one of bf16, int8, int4"):
        open_session(MODEL, DOCUMENT, name="two", store="int2")
    with pytest.raises(RequestError, match="int8 stores are for recall layers on the CPU, not"):
        open_session(make_model("full*5"), DOCUMENT, name="two", store="int8")
    with open_session(MODEL, DOCUMENT, name="one") as session:
        assert session.is_complete
