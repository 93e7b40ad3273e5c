from hypothesis import given
from hypothesis import strategies as st

from farspan.engine.scheduler.fair import FairShare
from farspan.engine.scheduler.memory import predicted_bytes
from farspan.engine.scheduler.pace import LEAST, MOST, Pace
from farspan.engine.scheduler.prefixes import Prefixes
from farspan.engine.scheduler.ragged import Chunk, advance_rows
from farspan.engine.scheduler.text import AnswerText
from farspan.mixers.states import flatten
from tests.tiny import STORY, make_model, make_tokenizer


@given(st.lists(st.sampled_from(["he", "her", "captain was", "\n", "7349", "zz"]), max_size=3))
def test_text_ends_before_the_first_stop_string(stops):
    tokenizer = make_tokenizer()
    out = AnswerText(tokenizer, stops)
    pieces = []
    for token in tokenizer.encode(STORY):
        pieces.append(out.push(token))
        if out.stopped:
            break
    pieces.append(out.flush())
    ends = [place for stop in stops if (place := STORY.find(stop)) >= 0]
    assert "".join(pieces) == STORY[: min(ends, default=len(STORY))]
    assert out.stopped == bool(ends)


def test_chunks_follow_the_time_of_steps():
    pace = Pace(0.3)
    for i in range(200):
        rows, n = i % 5, pace.tokens(i % 5)
        pace.note(rows, n, 0.05 + rows * 0.01 + n * 0.001)
    assert 224 <= pace.tokens(0) <= 256
    assert 128 <= pace.tokens(10) <= 160
    assert 320 <= pace.tokens(30) <= 352  # decoding takes 0.35 s, so tokens may as well
    for base, a_token, expected in ((0.0, 1e-7, MOST), (0.1, 0.01, LEAST), (0.01, 0.001, 288)):
        for _ in range(500):
            n = pace.tokens(0)
            pace.note(0, n, base + n * a_token)
        assert pace.tokens(0) == expected


def test_who_was_away_neither_saves_nor_owes():
    share = FairShare()
    share.keep("ab")
    share.charge("a", 100)
    share.charge("b", 150)
    share.keep("abc")
    assert share.served("c") == 100
    share.keep("bc")
    share.keep("abc")
    assert share.served("a") == 100


def test_prefixes_forget_the_oldest_and_never_mix_tenants():
    state = make_model().decoder.init_state()
    known = Prefixes(100)
    known.keep("a", (1, 2), state, 60)
    known.keep("a", (1, 2, 3), state, 40)
    assert known.find("a", (1, 2, 3, 4)) == (3, state)
    assert known.find("a", (1, 2, 3)) == (2, state)
    assert known.find("b", (1, 2, 3)) == (0, None)
    known.keep("b", (9,), state, 30)
    assert known.held_bytes == 90 and known.find("a", (1, 2, 3, 4))[0] == 2
    known.keep("b", (9, 9), state, 101)
    assert known.find("b", (9, 9, 9))[0] == 1


def test_predicted_bytes_are_those_that_are_held():
    model = make_model()
    ids = model.tokenizer.encode(STORY)
    (after,) = advance_rows(model.decoder, [Chunk(ids, model.decoder.init_state())])
    held = 0
    for layer in after.state.layers:
        held += sum(tensor.nbytes for tensor in flatten(layer).values())
        store = getattr(layer, "store", None)
        held += store.held_bytes() if store is not None else 0
    assert predicted_bytes(model.decoder, len(ids), None) == held
