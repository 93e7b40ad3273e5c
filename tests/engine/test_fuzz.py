"""Session files changed at random: a sentence or the right answer, nothing else."""

from __future__ import annotations

import io
import random
import shutil
from collections import Counter

import pytest

from farspan.data.reader import document_from_text
from farspan.engine import shelf
from farspan.engine.generate import generate
from farspan.engine.names import sessions_folder
from farspan.engine.portable import export_session, import_session
from farspan.engine.sampling import Sampling
from farspan.engine.session import open_session
from farspan.errors import RequestError
from tests.tiny import STORY, make_model

pytestmark = pytest.mark.usefixtures("cache")
MODEL = make_model()
DOCUMENT = document_from_text(STORY * 3, "story.txt")


def answer(name):
    with open_session(MODEL, None, name=name) as session:
        session.read(chunk=64)
        prompt = MODEL.tokenizer.encode("What fell?")
        sampling = Sampling(max_tokens=4)
        return list(generate(MODEL.decoder, prompt, session.state, sampling=sampling))


def mutate(data, rng, other):
    """The data with something done to it, which may come out the same."""
    place = rng.randrange(len(data)) if data else 0
    size = min(rng.choice((1, 2, 8, 64, 512, 4096)), len(data) - place)
    kind = rng.randrange(8)
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data + rng.randbytes(rng.choice((1, 100, 10_000)))
    if kind == 2:
        return data[:place] + rng.randbytes(size) + data[place + size :]
    if kind == 3:
        return data[:place] + bytes(size) + data[place + size :]
    if kind == 4:
        return data[:place] + data[place + size :]
    if kind == 5:
        return data[:place] + rng.randbytes(size) + data[place:]
    if kind == 6:
        return other
    flipped = bytes([data[place] ^ 1 << rng.randrange(8)]) if data else b""
    return data[:place] + flipped + data[place + 1 :]


def fuzz(times, seed):
    rng = random.Random(seed)
    with open_session(MODEL, DOCUMENT, name="right") as session:
        session.read(chunk=64)
    right = answer("right")
    file = io.BytesIO()
    export_session("right", file)
    folder = sessions_folder() / "wrong"
    counts: Counter[str] = Counter()
    for _ in range(times):
        shutil.rmtree(folder, ignore_errors=True)
        whole = rng.random() < 0.25
        try:
            if whole:
                import_session(io.BytesIO(mutate(file.getvalue(), rng, b"")), "wrong")
            else:
                shutil.copytree(session.folder, folder)
                paths = sorted(folder.iterdir())
                path, other = rng.choice(paths), rng.choice(paths).read_bytes()
                if rng.random() < 0.05:
                    path.unlink()
                else:
                    path.write_bytes(mutate(path.read_bytes(), rng, other))
            assert answer("wrong") == right
            counts["right"] += 1
        except RequestError as error:
            assert str(error)
            counts["refused"] += 1
    assert answer("right") == right
    shelf.sweep()
    return counts


def test_a_hundred_mutated_files():
    counts = fuzz(120, 0)
    assert counts["right"] > 10 and counts["refused"] > 10


@pytest.mark.slow
def test_ten_thousand_mutated_files():
    assert sum(fuzz(10_000, 1).values()) == 10_000
