"""What the tests of sessions share: a document, reading it, and what a session then holds."""

from __future__ import annotations

import numpy as np
import torch

from farspan.data.reader import document_from_text
from farspan.engine.generate import generate
from farspan.engine.layers import open_layer
from farspan.engine.sampling import Sampling
from tests.tiny import STORY

DOCUMENT = document_from_text(STORY * 6, "story.txt")


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
        store = open_layer(layer, session.folder, session.state.length).load()
        found |= {f"{i}.k": store.k_bshd, f"{i}.v": store.v_bshd}
    return {
        name: x.clone(memory_format=torch.contiguous_format).view(torch.uint8)
        for name, x in found.items()
    }


def same(one, two):
    """Whether two sessions hold the same to the bit."""
    a, b = contents(one), contents(two)
    assert a.keys() == b.keys() and np.array_equal(one.ids, two.ids)
    return all(torch.equal(x, b[name]) for name, x in a.items())


def answer(session):
    model = session.model
    prompt = model.tokenizer.encode("What fell?")
    sampling = Sampling(max_tokens=8)
    return list(generate(model.decoder, prompt, session.state, sampling=sampling))
