import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from farspan.data.reader import document_from_text
from farspan.engine import session as module
from farspan.engine.generate import generate
from farspan.engine.sampling import Sampling
from farspan.engine.session import open_session, stored_settings
from farspan.errors import DamagedFileError, RequestError
from tests.tiny import PLAN, STORY, make_model

DOCUMENT = document_from_text(STORY * 6, "story.txt")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power cuts here, and slow
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def model():
    return make_model()


def read_all(session, chunk=32, **options):
    session.read(chunk=chunk, checkpoint_seconds=0, **options)


def stop_after(tokens, error=KeyboardInterrupt):
    def on_progress(progress):
        if progress.done >= tokens:
            raise error

    return on_progress


def contents(session):
    """Everything a state holds, as bytes."""
    found = dict(session.snapshots.tensors(session.state))
    for i, layer in session.snapshots.layers.items():
        store = layer.open(session.folder, session.state.length).load()
        found |= {f"{i}.k": store.k_bshd, f"{i}.v": store.v_bshd}
    return {
        name: x.clone(memory_format=torch.contiguous_format).view(torch.uint8)
        for name, x in found.items()
    }


def answer(session):
    model = session.model
    prompt = model.tokenizer.encode("What fell?")
    sampling = Sampling(max_tokens=8)
    return list(generate(model.decoder, prompt, session.state, sampling=sampling))


PLANS = {
    "recall": (PLAN, torch.bfloat16),
    "recall in float32": (PLAN, torch.float32),
    "full": ("full", torch.bfloat16),
    "full in float32": ("full*2, window(5, sinks=2), recall(4), full", torch.float32),
    "full by pair": ("full*3, window(9), full", torch.float32, "self_extend(3, window=7)"),
    "windows alone": ("window(9)*5", torch.bfloat16),
    "memories": (
        "infini(8)*2, linear(4), gated_delta(4), infini(16, rule=gated_delta)",
        torch.float32,
    ),
}


@pytest.mark.parametrize("kind", PLANS)
def test_restored_equals_uninterrupted(kind):
    plan, dtype, *position = PLANS[kind]
    model = make_model(plan, dtype=dtype, position=position[0] if position else None)
    with open_session(model, DOCUMENT, name="whole") as whole:
        read_all(whole)
        expected, expected_answer = contents(whole), answer(whole)
        assert whole.tokens_read == len(whole.ids)
    for tokens in (1, 100, 130, 200):
        with (
            open_session(model, DOCUMENT, name="parts") as parts,
            pytest.raises(KeyboardInterrupt),
        ):
            read_all(parts, on_progress=stop_after(parts.manifest.length + tokens))
    with open_session(model, DOCUMENT, name="parts") as parts:
        length = parts.manifest.length
        assert 32 * 5 <= length < len(parts.ids) and length % 32 == 0
        read_all(parts)
        assert parts.tokens_read == len(parts.ids) - length
        assert answer(parts) == expected_answer
    with open_session(model, None, name="parts") as restored:
        found = contents(restored)
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            assert torch.equal(tensor, found[name]), name
        assert answer(restored) == expected_answer
        restored.read()
        assert restored.tokens_read == 0


def test_interrupted_reading_goes_on_in_the_same_process(model):
    with open_session(model, DOCUMENT, name="whole") as whole:
        read_all(whole)
        expected = contents(whole)
    with open_session(model, DOCUMENT) as session:
        with pytest.raises(ZeroDivisionError):
            read_all(session, on_progress=stop_after(64, ZeroDivisionError))
        assert session.tokens_read == 64
        read_all(session)
        assert session.tokens_read == len(session.ids)
        for name, tensor in contents(session).items():
            assert torch.equal(tensor, expected[name]), name


def test_the_same_content_is_found_again_and_another_model_is_not_confused(model):
    with open_session(model, DOCUMENT) as first:
        read_all(first)
    renamed = document_from_text(DOCUMENT.text, "copy.txt")
    with open_session(model, renamed) as second:
        assert second.manifest.is_complete and second.folder == first.folder
    with open_session(make_model(identity="other"), DOCUMENT) as third:
        assert third.manifest.length == 0 and third.folder != first.folder


def test_a_name_belongs_to_one_document_and_model(model):
    with open_session(model, DOCUMENT, name="mine") as session:
        read_all(session)
    other = document_from_text("Something else.", "else.txt")
    with pytest.raises(RequestError, match=r"session mine holds another document \(story.txt\)"):
        open_session(model, other, name="mine")
    with pytest.raises(RequestError, match="was read by tiny in bfloat16 with plan window"):
        open_session(make_model("full"), None, name="mine")
    with pytest.raises(RequestError, match="was read with other weights"):
        open_session(make_model(identity="other"), None, name="mine")
    with open_session(model, other, name="mine", force=True) as session:
        assert session.manifest.length == 0 and session.document == other
        read_all(session)
    settings = stored_settings("mine")
    assert (settings.model, settings.dtype, settings.plan) == ("tiny", "bfloat16", PLAN)
    assert stored_settings("yours") is None


def test_force_alone_reads_the_stored_document_again(model):
    with open_session(model, DOCUMENT, name="mine") as session:
        read_all(session)
    with open_session(model, None, name="mine", force=True) as session:
        assert session.manifest.length == 0 and session.document == DOCUMENT


def test_unknown_and_impossible_names(model, cache):
    with pytest.raises(RequestError, match=r"there is no session 'mine'.*none has been made"):
        open_session(model, None, name="mine")
    open_session(model, DOCUMENT, name="war-and-peace").close()
    with pytest.raises(RequestError, match="there are war-and-peace"):
        open_session(model, None, name="mine")
    for name in ("", "a/b", "..", ".hidden", "content-1", "x" * 101, "a.lock"):
        with pytest.raises(RequestError, match="session name"):
            open_session(model, DOCUMENT, name=name)
    assert not (cache / "sessions" / "mine").exists()
    with pytest.raises(RequestError, match="nor the name of a session"):
        open_session(model, None)


def index_files(session):
    return {
        p.name: p.read_bytes() for x in ("fine", "coarse") for p in session.folder.glob(f"*.{x}")
    }


def test_the_index_of_an_interrupted_reading_is_that_of_a_whole_one(model):
    with open_session(model, DOCUMENT, name="whole") as whole:
        read_all(whole)
    with (
        open_session(model, DOCUMENT, name="mine") as session,
        pytest.raises(ZeroDivisionError),
    ):
        read_all(session, on_progress=stop_after(64, ZeroDivisionError))
    with open_session(model, DOCUMENT, name="mine") as session:
        read_all(session)
    assert len(index_files(whole)) == 4 and index_files(session) == index_files(whole)


@pytest.mark.parametrize("damage", [lambda x: x.unlink(), lambda x: os.truncate(x, 64)])
def test_an_index_that_is_missing_or_short_is_made_again_with_a_word(model, damage):
    with open_session(model, DOCUMENT, name="mine") as session:
        read_all(session)
    wanted, said = index_files(session), []
    damage(session.folder / "layer-01.fine")
    for _ in range(2):
        with open_session(model, None, name="mine", say=said.append) as session:
            assert index_files(session) == wanted
    assert said == ["session mine has no complete index; it is made again"]


def damage_manifest(folder):
    (folder / "manifest.json").write_text("{")


def damage_fields(folder):
    (folder / "manifest.json").write_text('{"format": 1, "parts": []}')


def damage_state(folder):
    path = next(folder.glob("state-*"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def damage_text(folder):
    (folder / "text.txt").write_text("Something else.")


def lose(name):
    def damage(folder):
        next(folder.glob(name)).unlink()

    return damage


def cut_store(folder):
    os.truncate(folder / "layer-03.values", 100)


DAMAGE = [
    damage_manifest,
    damage_fields,
    damage_state,
    cut_store,
    lose("state-*"),
    lose("ids.npy"),
    lose("layer-01.keys"),
]


@pytest.mark.parametrize("damage", [*DAMAGE, damage_text])
def test_damage_is_told_and_force_repairs_it(model, damage):
    with open_session(model, DOCUMENT, name="mine") as session:
        read_all(session)
        expected = answer(session)
    damage(session.folder)
    with pytest.raises(DamagedFileError) as caught:
        open_session(model, DOCUMENT, name="mine")
    message = str(caught.value)
    assert str(session.folder) in message and "--force, or delete the folder" in message
    with pytest.raises(DamagedFileError, match="PATH --session mine --force"):
        open_session(model, None, name="mine")
    with open_session(model, DOCUMENT, name="mine", force=True) as session:
        read_all(session)
        assert answer(session) == expected


def test_another_format_is_told(model):
    open_session(model, DOCUMENT, name="mine").close()
    path = module._sessions() / "mine" / "manifest.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(RequestError, match="written by another version of farspan"):
        open_session(model, DOCUMENT, name="mine")


def test_one_writer_or_many_askers(model):
    with open_session(model, DOCUMENT, name="mine") as session:
        with pytest.raises(RequestError, match=rf"mine is in use by another process {os.getpid()}"):
            open_session(model, DOCUMENT, name="mine")
        read_all(session)
        with open_session(model, None, name="mine") as second:
            assert answer(second) == answer(session)
            with pytest.raises(RequestError, match="mine is in use by another process;"):
                open_session(model, DOCUMENT, name="mine", force=True)


def test_the_lock_of_a_dead_process_is_taken_over(model, cache):
    (cache / "sessions").mkdir(parents=True)
    (cache / "sessions" / "mine.lock").write_text("999999999")
    with open_session(model, DOCUMENT, name="mine") as session:
        read_all(session)
    assert (cache / "sessions" / "mine.lock").read_text() == str(os.getpid())


def fill_disk(monkeypatch, name, after):
    """From the call after the first `after`, writing finds no room."""
    real, calls = getattr(os, name), []

    def write(*args):
        calls.append(args)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*args)

    monkeypatch.setattr(os, name, write)


@pytest.mark.parametrize("after", [1, 2, 4, 9, 30])
def test_a_full_disk_loses_nothing(model, monkeypatch, after):
    """Room runs out in the key-value files; what was read before is gone on with."""
    with open_session(model, DOCUMENT, name="whole") as session:
        read_all(session)
        expected = answer(session)
    with monkeypatch.context() as patch:
        fill_disk(patch, "pwrite", after)
        with (
            open_session(model, DOCUMENT, name="mine") as session,
            pytest.raises(RequestError, match="no room left on the disk"),
        ):
            read_all(session)
    assert not list(session.folder.glob("*.part"))
    with open_session(model, DOCUMENT, name="mine") as session:
        length = session.manifest.length
        assert length == 32 * ((after - 1) // 8)  # the lock, then 2 layers' files, 4 each
        read_all(session)
        assert session.tokens_read == len(session.ids) - length
        assert answer(session) == expected


@pytest.mark.parametrize("after", range(5))
def test_a_full_disk_at_the_start_leaves_nothing(model, monkeypatch, cache, after):
    fill_disk(monkeypatch, "fsync", after)
    if after < 4:
        with pytest.raises(RequestError, match="no room left on the disk"):
            open_session(model, DOCUMENT, name="mine")
        assert [path.name for path in (cache / "sessions").iterdir()] == ["mine.lock"]
        return
    with open_session(model, DOCUMENT, name="mine") as session:
        with pytest.raises(RequestError, match="no room left on the disk"):
            read_all(session)
        assert session.manifest.length == 0 and not list(session.folder.glob("*.part"))


def test_too_little_room_is_refused_at_once(model, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10**6))
    with open_session(model, DOCUMENT) as session:
        with pytest.raises(RequestError, match=r"takes 0.07 GB .* where 0.00 GB are free"):
            session.read()
        assert session.manifest.length == 0


def test_a_cache_that_cannot_be_written_is_told(model, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(RequestError, match=r"sessions cannot be kept in .* set FARSPAN_CACHE"):
        open_session(model, DOCUMENT)


def test_disk_use_is_what_was_foretold(model):
    with open_session(model, DOCUMENT) as session:
        read_all(session)
        files = [path.stat().st_size for path in Path(session.folder).glob("layer-*")]
        assert sum(files) == session.snapshots.bytes_on_disk(len(session.ids))


def test_a_session_keeps_its_positions():
    with open_session(make_model("full*5", position="yarn(2)"), DOCUMENT, name="long") as session:
        read_all(session)
    assert stored_settings("long").position == "yarn(factor=2, trained=128)"
    with pytest.raises(RequestError, match=r"positions yarn.* not the checkpoint's own"):
        open_session(make_model("full*5"), None, name="long").__enter__()
