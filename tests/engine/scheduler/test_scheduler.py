import random
import threading
import time

import pytest
import torch

from farspan.data.reader import document_from_text
from farspan.engine.generate import generate
from farspan.engine.sampling import Sampling
from farspan.engine.scheduler import Done, Limits, Overloaded, Request, Scheduler, Token, pace
from farspan.engine.scheduler.reading import Reading
from farspan.engine.session import open_session
from farspan.errors import RequestError
from tests.tiny import STORY, make_model


@pytest.fixture(scope="module")
def model():
    return make_model(dtype=torch.float64)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path))


class Heard:
    """What a sink was told, by answer."""

    def __init__(self):
        self.events = []

    def __call__(self, event):
        self.events.append(event)

    def ids(self, index=0):
        return [e.id for e in self.events if isinstance(e, Token) and e.index == index]

    def text(self, index=0):
        return "".join(e.text for e in self.events if e.index == index)

    def done(self, index=0):
        (found,) = [e for e in self.events if isinstance(e, Done) and e.index == index]
        return found


def finish(scheduler):
    for _ in range(10_000):
        if not scheduler.step():
            return
    raise AssertionError("it never ends")


def alone(model, request):
    start = request.start or model.decoder.init_state()
    stops = model.tokenizer.eos_ids
    return list(
        generate(model.decoder, request.ids, start, stop_ids=stops, sampling=request.sampling)
    )


@pytest.mark.parametrize("seed", range(3))
def test_batched_answers_equal_lone_ones_with_random_joins_and_leaves(model, seed):
    chance = random.Random(seed)
    ids = model.tokenizer.encode(STORY)
    scheduler = Scheduler(model, Limits(rows=6, queue=100, step_seconds=chance.choice((1e-6, 1))))
    asked = []
    for number in range(20):
        first = chance.randrange(len(ids) - 50)
        prompt = tuple(ids[first : first + chance.randint(1, 50)])
        sampling = Sampling(max_tokens=chance.randint(1, 15), temperature=number % 2 * 0.7, seed=9)
        request = Request(prompt, sampling, tenant=chance.choice("ab"))
        heard = Heard()
        ticket = scheduler.submit(request, heard)
        leaves = chance.random() < 0.2
        for _ in range(chance.randint(0, 4)):
            scheduler.step()
        ticket.cancelled = leaves
        asked.append((request, heard, leaves))
    finish(scheduler)
    for request, heard, leaves in asked:
        expected = alone(model, request)
        if leaves and heard.done().reason == "cancelled":
            assert heard.ids() == expected[: len(heard.ids())]
        else:
            assert heard.ids() == expected
            assert heard.text() == model.tokenizer.decode(expected)
            assert heard.done().tokens == len(expected)
    assert not scheduler.rows and scheduler.load().state_bytes == 0


def test_several_answers_share_a_prompt(model):
    ids = tuple(model.tokenizer.encode("The ferry left"))
    sampling = Sampling(max_tokens=8, temperature=1.0, seed=3)
    heard = Heard()
    scheduler = Scheduler(model)
    scheduler.submit(Request(ids, sampling, n=3), heard)
    finish(scheduler)
    for index in range(3):
        lone = Request(ids, Sampling(max_tokens=8, temperature=1.0, seed=3 + index))
        assert heard.ids(index) == alone(model, lone)


def test_what_begins_alike_goes_on_from_there_within_a_tenant(model):
    ids = tuple(model.tokenizer.encode(STORY)[:60])
    scheduler = Scheduler(model)
    found = []
    for tenant, prompt in (("a", ids[:40]), ("a", ids), ("b", ids)):
        heard = Heard()
        request = Request(prompt, Sampling(max_tokens=5), tenant=tenant)
        scheduler.submit(request, heard)
        finish(scheduler)
        assert heard.ids() == alone(model, request)
        found.append(heard.done().reused)
    assert found == [0, 40, 0]


def test_a_stop_string_ends_the_answer_before_it(model):
    ids = tuple(model.tokenizer.encode("The"))
    request = Request(ids, Sampling(max_tokens=30))
    whole = model.tokenizer.decode(alone(model, request))
    stop = whole[9:12]
    heard = Heard()
    scheduler = Scheduler(model)
    scheduler.submit(Request(ids, Sampling(max_tokens=30, stop=(stop,))), heard)
    finish(scheduler)
    assert heard.text() == whole[: whole.find(stop)]
    assert heard.done().reason == "stop"


def test_a_document_is_read_while_chats_go_on(model, monkeypatch):
    monkeypatch.setattr(pace, "MOST", 64)  # so many steps, however fast they are
    tiny = make_model()
    session = open_session(tiny, document_from_text(STORY * 20))
    progress, ends = [], []
    reading = Reading(session, "a", progress.append, ends.append, checkpoint_seconds=0.0)
    scheduler = Scheduler(tiny, Limits(step_seconds=1e-6))
    scheduler.read(reading)
    chats = []
    while scheduler.readings:
        heard = Heard()
        scheduler.submit(Request(tuple(tiny.tokenizer.encode("Who?")), Sampling(4), "b"), heard)
        for _ in range(9):
            scheduler.step()
        chats.append(heard)
    finish(scheduler)
    reading.wait()
    assert ends == [None] and session.is_complete
    assert [p.done for p in progress] == sorted(p.done for p in progress)
    assert progress[-1].done == progress[-1].total == len(session.ids)
    assert len(chats) > 3 and all(len(heard.ids()) == 4 for heard in chats)
    prompt = tiny.tokenizer.encode("What fell?")
    found = list(generate(tiny.decoder, prompt, session.state, sampling=Sampling(8)))
    session.close()
    with open_session(tiny, document_from_text(STORY * 20), name="again") as other:
        other.read()
        assert list(generate(tiny.decoder, prompt, other.state, sampling=Sampling(8))) == found


def test_a_cancelled_reading_keeps_what_it_has_and_goes_on_later(model):
    tiny = make_model()
    document = document_from_text(STORY * 20)
    session = open_session(tiny, document)
    ends = []
    reading = Reading(session, on_end=ends.append)
    scheduler = Scheduler(tiny, Limits(step_seconds=1e-6))
    scheduler.read(reading)
    for _ in range(5):
        scheduler.step()
    reading.cancelled = True
    assert not scheduler.step()
    reading.wait()
    session.close()
    assert ends == [None]
    with open_session(tiny, document) as again:
        assert 0 < again.state.length < len(again.ids)
        assert again.state.length == reading.state.length


def test_cancelling_frees_everything_at_once(model):
    scheduler = Scheduler(model, Limits(reused_bytes=0))
    heard = Heard()
    ids = tuple(model.tokenizer.encode(STORY))
    ticket = scheduler.submit(Request(ids, Sampling(100), n=4), heard)
    for _ in range(6):
        scheduler.step()
    assert scheduler.load().state_bytes > 0
    ticket.cancelled = True
    scheduler.step()
    assert not scheduler.rows and scheduler.load().state_bytes == 0
    assert [heard.done(i).reason for i in range(4)] == ["cancelled"] * 4


def test_time_is_limited(model):
    scheduler = Scheduler(model, Limits(seconds=0.01))
    heard = Heard()
    scheduler.submit(Request((5, 6), Sampling(10_000)), heard)
    scheduler.step()
    time.sleep(0.02)
    scheduler.step()
    assert heard.done().reason == "timeout"


def test_tenants_take_turns(model):
    scheduler = Scheduler(model, Limits(rows=2, queue=100))
    order = []
    for tenant in ["a"] * 8 + ["b"] * 2:

        def sink(event, tenant=tenant):
            if isinstance(event, Done):
                order.append(tenant)

        scheduler.submit(Request((5, 6, 7), Sampling(4), tenant), sink)
    finish(scheduler)
    assert order.index("b") < 4  # and not behind all of a's
    assert len(order) == 10


@pytest.mark.parametrize(
    ("request_", "limits", "says"),
    [
        (Request(()), Limits(), "empty"),
        (Request((1,) * 90, Sampling(20)), Limits(tokens=100), "longer than"),
        (Request((1,) * 90, n=50), Limits(state_bytes=100_000), "bytes of state"),
    ],
)
def test_what_can_never_be_answered_is_refused(model, request_, limits, says):
    with pytest.raises(RequestError, match=says):
        Scheduler(model, limits).submit(request_, Heard())


def test_a_full_queue_is_told(model):
    scheduler = Scheduler(model, Limits(rows=1, queue=2))
    for _ in range(3):
        scheduler.submit(Request((5,)), Heard())
    with pytest.raises(Overloaded, match="wait already"):
        scheduler.submit(Request((5,)), Heard())


def test_an_error_hits_its_own_request_alone(model):
    scheduler = Scheduler(model)
    good, bad = Heard(), Heard()
    request = Request((5, 6, 7), Sampling(6))
    scheduler.submit(request, good)
    scheduler.submit(Request((5, 10**6), Sampling(6)), bad)  # no such token
    finish(scheduler)
    assert good.ids() == alone(model, request)
    assert bad.done().reason == "error" and bad.done().error is not None


def test_looks_are_those_of_generate(model):
    ids = tuple(model.tokenizer.encode("What fell?"))
    expected, found = [], []
    options = {"watch_block": 4, "watch_every": 2}
    start = model.decoder.init_state()
    list(
        generate(
            model.decoder,
            ids,
            start,
            sampling=Sampling(7),
            stop_ids=model.tokenizer.eos_ids,
            on_look=expected.append,
            **options,
        )
    )
    scheduler = Scheduler(model)
    scheduler.submit(
        Request(ids, Sampling(7), start=start, on_look=found.append, **options), Heard()
    )
    finish(scheduler)
    assert len(found) == len(expected)
    for one, two in zip(found, expected, strict=True):
        for a, b in zip(one, two, strict=True):
            torch.testing.assert_close(a, b)


def test_who_waits_for_a_cancelled_reading_waits_for_its_end():
    """Also where the step that ends it is still to come."""
    tiny = make_model()
    session = open_session(tiny, document_from_text(STORY * 20))
    ends = []
    reading = Reading(session, "a", on_end=ends.append)
    scheduler = Scheduler(tiny)
    scheduler.read(reading)
    scheduler.step()
    reading.cancelled = True
    waiting = threading.Thread(target=reading.wait)
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive() and not ends
    scheduler.step()
    waiting.join(20)
    assert not waiting.is_alive() and ends == [None]
    assert 0 < session.length < len(session.ids)
