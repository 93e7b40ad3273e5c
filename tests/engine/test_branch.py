"""Documents that begin alike are read once; documents that grow or change are read on."""

from __future__ import annotations

import pytest

from farspan.data.reader import document_from_text
from farspan.engine.journal import worth_keeping
from farspan.engine.session import open_session
from farspan.errors import RequestError
from tests.engine.held import DOCUMENT, answer, read_all, same, stop_after
from tests.tiny import make_model

pytestmark = pytest.mark.usefixtures("cache")
MODEL = make_model()


def read(document, name=None, **options):
    said = []
    with open_session(MODEL, document, name=name, say=said.append, **options) as session:
        read_all(session)
    session.said = said
    return session


def changed(at, new="Nobody knew."):
    text = DOCUMENT.text
    return document_from_text(text[:at] + new + text[at + 5 :], "story.txt")


def test_appended_text_is_read_on():
    whole = read(DOCUMENT, "one")
    grown = document_from_text(DOCUMENT.text + " And then?", "story.txt")
    session = read(grown, "one")
    assert session.tokens_read < 64 + 32 + 10
    assert session.said == [
        "story.txt has grown since session one read it; it is read on from token"
        f" {len(session.ids) - session.tokens_read} of {len(session.ids)}"
    ]
    anew = read(grown, "anew", force=True)
    assert same(session, anew) and answer(session) == answer(anew)
    assert len(session.ids) > len(whole.ids)
    assert sum(path.name.startswith("text-") for path in session.folder.iterdir()) == 1


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.97])
def test_a_changed_file_is_read_again_from_before_the_change(share):
    read(DOCUMENT, "one")
    document = changed(int(share * len(DOCUMENT.text)))
    session = read(document, "one")
    assert "story.txt has changed since" in session.said[0] or share > 0.9
    assert session.tokens_read <= len(session.ids) * (1 - share / 2)
    assert same(session, read(document, "anew", force=True))


def test_text_that_is_cut_and_a_document_that_is_half_read():
    read(DOCUMENT, "one")
    shorter = document_from_text(DOCUMENT.text[:2000], "story.txt")
    session = read(shorter, "one")
    assert 0 < session.tokens_read < len(session.ids)
    assert same(session, read(shorter, "anew", force=True))
    with (
        open_session(MODEL, DOCUMENT, name="two", force=True) as half,
        pytest.raises(KeyboardInterrupt),
    ):
        read_all(half, on_progress=stop_after(400))
    document = changed(len(DOCUMENT.text) - 100)
    session = read(document, "two")
    assert len(session.ids) - session.tokens_read == 416
    assert same(session, read(document, "anew", force=True))


def test_another_document_is_not_taken_for_a_changed_one():
    read(DOCUMENT, "one")
    with pytest.raises(RequestError, match=r"session one holds another document \(story.txt\)"):
        read(document_from_text(DOCUMENT.text[1:], "other.txt"), "one")
    assert read(document_from_text(DOCUMENT.text + "!", "copy.txt"), "one").said


def test_documents_that_begin_alike_share_what_was_read():
    read(DOCUMENT, "one")
    other = document_from_text(DOCUMENT.text[:2000] + "The end came soon.", "other.txt")
    session = read(other, "two")
    read_before = len(session.ids) - session.tokens_read
    assert read_before >= 256
    assert session.said == [
        f"the first {read_before} of {len(session.ids)} tokens are those of session one and are"
        " not read again"
    ]
    assert same(session, read(other, "anew", force=True))
    assert read(DOCUMENT, "three", force=True).tokens_read == len(read(DOCUMENT, "one").ids)
    assert read(document_from_text("Something else.", "else.txt"), "four").said == []


def test_what_another_model_or_a_damaged_session_read_is_not_shared():
    session = read(DOCUMENT, "one")
    grown = document_from_text(DOCUMENT.text + " And then?", "other.txt")
    with open_session(make_model(identity="other"), grown, name="two") as other:
        assert other.length == 0
    next(session.folder.glob("ids-*")).write_bytes(b"")
    assert read(grown, "three").said == []


def test_few_old_places_and_more_new_ones_are_kept():
    kept: list[int] = []
    for length in range(4096, (1 << 20) + 1, 4096):
        kept = worth_keeping([*kept, length], 1 << 20, 32768)
        assert length in kept and len(kept) <= 2 + 4 * 6
    for back in (1 << 15, 1 << 17, 1 << 19):
        assert min(abs((1 << 20) - back - x) for x in kept) <= back // 3
    assert max(x for x in kept if x < 1 << 20) == (1 << 20) - 4096
    assert worth_keeping([100, 130, 160, 190, 200], 200, 10**6) == [130, 190, 200]
