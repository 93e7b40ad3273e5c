"""Sessions as one file: what goes out comes in, and nothing else does."""

from __future__ import annotations

import io
import tarfile

import pytest

from farspan.data.reader import document_from_text
from farspan.engine import shelf
from farspan.engine.names import sessions_folder
from farspan.engine.portable import export_session, import_session
from farspan.engine.session import open_session
from farspan.errors import DamagedFileError, RequestError
from tests.engine.held import DOCUMENT, answer, read_all, same
from tests.tiny import make_model

pytestmark = pytest.mark.usefixtures("cache")
MODEL = make_model()


@pytest.fixture
def one():
    with open_session(MODEL, DOCUMENT, name="one") as session:
        read_all(session)
    return session


def export(name):
    file = io.BytesIO()
    export_session(name, file)
    return file.getvalue()


def members(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(m, tar.extractfile(m).read()) for m in tar.getmembers()]


def pack(found):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for member, data in found:
            member.size = len(data) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize("model", [MODEL, make_model("full*5")], ids=["recall", "full"])
def test_what_goes_out_comes_in(model):
    with open_session(model, DOCUMENT, name="mine") as session:
        read_all(session)
    shelf.fork("mine", "fork", 700)
    with open_session(model, None, name="fork") as fork:
        read_all(fork)
    grown = document_from_text(fork.document.text + "More of it.", "story.txt")
    with open_session(model, grown, name="fork") as fork:
        read_all(fork)
    for name, wanted in (("mine", session), ("fork", fork)):
        told = import_session(io.BytesIO(export(name)), "copy")
        assert told.tokens == told.tokens_read == len(wanted.ids) and told.shared_bytes == 0
        with open_session(model, None, name="copy") as copy:
            assert same(copy, wanted) and answer(copy) == answer(wanted)
            assert copy.document == wanted.document
        shelf.delete("copy")


def test_what_was_rewound_does_not_go_out(one):
    shelf.rewind("one", 400)
    assert b"Button" in one.document.text.encode()[600:]
    with open_session(MODEL, None, name="one") as session:
        kept = session.document.text
    texts = [data for m, data in members(export("one")) if m.name.startswith("text-")]
    assert texts == [kept.encode()] and len(kept) < len(one.document.text)


def change(found, start, new=None, **values):
    """The members with one changed, or left out."""
    kept = []
    for member, data in found:
        if member.name.startswith(start):
            if new is None and not values:
                continue
            data = data if new is None else new(data)
            for key, value in values.items():
                setattr(member, key, value)
        kept.append((member, data))
    return kept


HOSTILE = {
    "nothing": lambda found: [],
    "no manifest": lambda found: change(found, "manifest"),
    "no journal": lambda found: change(found, "journal"),
    "lost store": lambda found: change(found, "layer-01.keys.0"),
    "lost text": lambda found: change(found, "text"),
    "long store": lambda found: change(found, "layer-01.keys.0", lambda x: x + b"!"),
    "short store": lambda found: change(found, "layer-01.values.0", lambda x: x[:-1]),
    "changed store": lambda found: change(found, "layer-03.keys.0", lambda x: b"!" + x[1:]),
    "changed sums": lambda found: change(found, "layer-03.keys.sums", lambda x: b"1234" + x[4:]),
    "changed state": lambda found: change(found, "state", lambda x: x[:-1] + b"!"),
    "changed text": lambda found: change(found, "text", lambda x: b"!" + x[1:]),
    "changed journal": lambda found: change(found, "journal", lambda x: b"0" + x[1:]),
    "changed manifest": lambda found: change(
        found, "manifest", lambda x: x.replace(b'"n_prefix": ', b'"n_prefix": 1')
    ),
    "future": lambda found: change(
        found, "manifest", lambda x: x.replace(b'"format": 2', b'"format": 3')
    ),
    "escape": lambda found: change(found, "text", name="../text.txt"),
    "absolute": lambda found: change(found, "text", name="/tmp/text.txt"),
    "link": lambda found: change(found, "text", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": lambda found: change(found, "ids", type=tarfile.LNKTYPE, linkname="manifest.json"),
    "folder": lambda found: change(found, "ids", type=tarfile.DIRTYPE),
    "twice": lambda found: [*found, found[-1]],
    "more": lambda found: [*found, (tarfile.TarInfo("more"), b"more")],
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_anything_else_is_refused_and_leaves_nothing(one, kind):
    data = pack(HOSTILE[kind](members(export("one"))))
    with pytest.raises(RequestError, match=r"the file is not a session that can be taken in: .+"):
        import_session(io.BytesIO(data), "two")
    assert sorted(p.name for p in sessions_folder().iterdir()) == ["one", "one.lock"]


def test_a_file_that_ends_early_is_refused(one):
    data = export("one")
    for length in (*range(0, len(data) - 10240, 7919), 511, 513):
        with pytest.raises(RequestError, match="the file is not a session"):
            import_session(io.BytesIO(data[:length]), "two")


def test_a_member_that_claims_more_than_it_may_is_refused_before_it_is_read(one):
    found = members(export("one"))
    head = pack(found[:2]).rstrip(b"\0")
    head += bytes(-len(head) % 512)
    huge = tarfile.TarInfo(found[2][0].name)
    huge.size = 1 << 50
    with pytest.raises(RequestError, match="which cannot be"):
        import_session(io.BytesIO(head + huge.tobuf(tarfile.GNU_FORMAT)), "two")


def test_bad_names_and_damaged_sources(one):
    data = export("one")
    with pytest.raises(RequestError, match="there is a session one already"):
        import_session(io.BytesIO(data), "one")
    with pytest.raises(RequestError, match="session name"):
        import_session(io.BytesIO(data), "a/b")
    path = one.folder / "layer-03.keys.0"
    path.write_bytes(b"!" + path.read_bytes()[1:])
    with pytest.raises(DamagedFileError, match="is not what was written"):
        export("one")
