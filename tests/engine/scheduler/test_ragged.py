import pytest
import torch

from farspan.data.reader import document_from_text
from farspan.engine.generate import advance
from farspan.engine.reading import read
from farspan.engine.scheduler.ragged import Chunk, advance_rows
from farspan.engine.session import open_session
from farspan.memory.scan import AttentionWatch
from tests.tiny import PLAN, STORY, make_model

PLANS = (
    PLAN,
    "full*5",
    "window(7), delta, infini(4, rule=delta), recall(6), window(8)",
    "window(7, sinks=2), gla, retention, infini(6), full",
)


@pytest.mark.parametrize("plan", PLANS)
def test_every_row_is_as_if_it_were_alone(plan):
    model = make_model(plan, dtype=torch.float64)
    decoder = model.decoder
    ids = model.tokenizer.encode(STORY)
    begun = decoder.init_state()
    _, begun = advance(decoder, ids[:23], begun)
    half = read(decoder, model.tokenizer.encode_document(STORY)[0][:40], decoder.init_state())
    watches = [AttentionWatch(4), AttentionWatch(4)]
    chunks = [
        Chunk(ids[23:24], begun.fork()),
        Chunk(ids[:11], decoder.init_state()),
        Chunk(ids[40:59], half.fork(), asked=False, scored=False),
        Chunk(ids[5:9], half.fork(), watch=watches[0]),
        Chunk(ids[:3], decoder.init_state(), scored=False),
    ]
    found = advance_rows(decoder, chunks)
    for chunk, after in zip(chunks, found, strict=True):
        assert after.state.length == chunk.state.length + len(chunk.ids)
        if chunk.asked:
            watch = watches[1] if chunk.watch is not None else None
            logits, state = advance(decoder, chunk.ids, chunk.state.fork(), watch)
        else:
            logits, state = None, read(decoder, _array(ids[:59]), half.fork())
        if chunk.asked and chunk.scored:
            torch.testing.assert_close(after.logits, logits, atol=1e-5, rtol=0)
        else:
            assert after.logits is None
        one, _ = advance(decoder, [5], after.state.fork())
        two, _ = advance(decoder, [5], state.fork())
        torch.testing.assert_close(one, two, atol=1e-5, rtol=0)
    for one, two in zip(watches[0].mass, watches[1].mass, strict=True):
        torch.testing.assert_close(one, two)


def test_rows_with_stores_on_disk_go_along(tmp_path, monkeypatch):
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path))
    model = make_model()
    with open_session(model, document_from_text(STORY)) as session:
        session.read()
        ids = model.tokenizer.encode("What fell?")
        chunks = [
            Chunk(ids, session.state.fork()),
            Chunk(ids[:3], session.state.fork()),
            Chunk(ids, model.decoder.init_state()),
        ]
        for chunk, after in zip(chunks, advance_rows(model.decoder, chunks), strict=True):
            logits, _ = advance(model.decoder, chunk.ids, chunk.state.fork())
            torch.testing.assert_close(after.logits, logits, atol=0.05, rtol=0.05)  # bfloat16


def _array(ids):
    import numpy as np

    return np.array(ids, dtype=np.uint32)
