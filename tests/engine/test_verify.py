"""Every kind of damage is found, and what can be read again is."""

from __future__ import annotations

import os

import pytest

from farspan.engine.session import open_session
from farspan.engine.verify import verify
from farspan.errors import DamagedFileError, RequestError
from tests.engine.held import DOCUMENT, answer, contents, read_all
from tests.tiny import make_model

pytestmark = pytest.mark.usefixtures("cache")
MODEL = make_model()


@pytest.fixture
def one():
    with open_session(MODEL, DOCUMENT, name="one") as session:
        read_all(session)
    return session


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 64
    path.write_bytes(data)


def newest_state(folder):
    return max(folder.glob("state-*"), key=lambda path: int(path.stem.partition("-")[2]))


REPAIRED = {
    "an early block": (lambda x: flip(x / "layer-01.keys.0", 10), "layer-01 .* token 0 on", 0),
    "a late block": (lambda x: flip(x / "layer-03.values.0", 600 * 32), "token 512 on", 512),
    "the tail": (lambda x: flip(x / "layer-03.values.0", -1), "before 940", 928),
    "a sum": (lambda x: flip(x / "layer-01.keys.sums.0", 5), "token 256 on", 256),
    "a state": (lambda x: flip(newest_state(x), -1), "state-940.safetensors is not", 928),
    "a short file": (lambda x: os.truncate(x / "layer-01.keys.0", 920 * 32), "holds 920 rows", 896),
    "the index": (
        lambda x: flip(x / "layer-01.means.0", 99),
        "index of layer-01 does not fit",
        940,
    ),
    "the journal": (lambda x: flip(x / "journal", 99), "1 lines of the journal", 940),
}


@pytest.mark.parametrize("kind", REPAIRED)
def test_damage_is_found_and_read_again(one, kind):
    damage, message, sound = REPAIRED[kind]
    assert verify("one").problems == ()
    expected, expected_answer = contents(one), answer(one)
    damage(one.folder)
    found = verify("one")
    assert not found.repaired and found.tokens == 940 and found.sound <= 940
    with pytest.raises(AssertionError, match=message):
        assert not found.problems, "; ".join(found.problems)
    assert found.sound == sound
    assert verify("one", repair=True).repaired
    assert verify("one").problems == ()
    with open_session(MODEL, None, name="one") as session:
        assert session.length == sound
        read_all(session)
        assert answer(session) == expected_answer
        assert contents(session).keys() == expected.keys()
    assert verify("one").problems == ()


@pytest.mark.parametrize("name", ["manifest.json", "text-*", "ids-*", "starts-*"])
def test_a_damaged_document_is_beyond_repair(one, name):
    flip(next(one.folder.glob(name)), 20)
    found = verify("one", repair=True)
    assert (found.tokens, found.sound, found.repaired) == (0, 0, False) and found.problems
    with pytest.raises(DamagedFileError):
        open_session(MODEL, None, name="one")


def test_a_damaged_block_is_never_used(one):
    flip(one.folder / "layer-01.values.0", 300 * 32)
    with (
        open_session(MODEL, None, name="one") as session,
        pytest.raises(DamagedFileError, match=r"layer-01.values is not what was written"),
    ):
        answer(session)


def test_what_cannot_be_checked_is_told(one):
    with pytest.raises(RequestError, match="there is no session 'two'"):
        verify("two")
    with open_session(MODEL, DOCUMENT, name="one"), pytest.raises(RequestError, match="in use"):
        verify("one", repair=True)
