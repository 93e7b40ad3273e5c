"""Endpoints that work, and all the ways in which they do not."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from farspan.evaluation.encoder import Encoder
from farspan.evaluation.models.base import CellFailedError
from farspan.evaluation.models.endpoint import LONGEST_WAIT, EndpointModel, _wait
from farspan.evaluation.results import read_folder
from farspan.evaluation.samples import Question, Sample

from ..test_runner import run

pytest.importorskip("openai")


def completion(text):
    choice = {"index": 0, "finish_reason": "stop"}
    choice["message"] = {"role": "assistant", "content": text}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    return 200, {}, json.dumps({**body, "choices": [choice], "usage": usage})


class Server:
    """Answers with what `script` says, call by call; its last entry repeats."""

    def __init__(self, script):
        self.script, self.requests, self.keys = script, [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.requests.append(json.loads(body))
                outer.keys.append(self.headers.get("Authorization"))
                entry = outer.script[min(len(outer.requests), len(outer.script)) - 1]
                status, headers, text = entry(outer) if callable(entry) else entry
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Type", headers.get("Type", "application/json"))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1#some-model"


@pytest.fixture
def serve():
    servers = []

    def start(*script):
        servers.append(Server(script))
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()


@pytest.fixture
def sample(tokenizer):
    encode = Encoder(tokenizer)
    asked = Question("Who?", ("Ilse",), "Ilse", prefix=" It was", joint="\n")
    return Sample(encode("Read this.\n"), encode("Ilse steered."), (asked,))


def model(server, tokenizer, waits=None, **options):
    sleep = (lambda _: None) if waits is None else waits.append
    return EndpointModel(server.url, tokenizer, sleep=sleep, **options)


def test_the_whole_prompt_is_one_message(serve, tokenizer, sample, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    server = serve(completion(" Ilse."))
    player = model(server, tokenizer)
    reply = player.answer([sample], 7)[0][0]
    assert (reply.text, reply.new_tokens) == (" Ilse.", 3)
    (request,) = server.requests
    assert request["messages"] == [
        {"role": "user", "content": "Read this.\nIlse steered.\nWho? It was"}
    ]
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("some-model", 7, 0)
    assert server.keys == ["Bearer secret"] and "secret" not in json.dumps(player.about)


LIMITED = (429, {"Retry-After": "2.5"}, '{"error": {"message": "slow down"}}')
BROKEN = (500, {}, '{"error": {"message": "oh no"}}')


@pytest.mark.parametrize(
    "trouble",
    [
        LIMITED,
        BROKEN,
        (503, {"Type": "text/html"}, "<html>Bad gateway</html>"),
        (200, {}, "no json at all"),
        (200, {}, "{}"),
        (200, {}, '{"choices": []}'),
        (200, {}, '{"choices": [{"message": {"content": null}}]}'),
        (200, {"Type": "text/html"}, "<html>Welcome</html>"),
        (200, {}, "[1, 2]"),
    ],
)
def test_trouble_is_tried_again_and_then_fails_the_cell(trouble, serve, tokenizer, sample):
    server = serve(trouble, trouble, completion("Ilse"))
    assert model(server, tokenizer).answer([sample], 7)[0][0].text == "Ilse"
    assert len(server.requests) == 3
    server = serve(trouble)
    with pytest.raises(CellFailedError, match="3 attempts failed"):
        model(server, tokenizer, attempts=3).answer([sample], 7)
    assert len(server.requests) == 3


def test_waits_grow_and_follow_what_the_server_says(serve, tokenizer, sample):
    waits = []
    server = serve(LIMITED, BROKEN, BROKEN, BROKEN, completion("x"))
    model(server, tokenizer, waits).answer([sample], 7)
    assert waits[0] == 2.5
    assert all(0.75 * w <= x <= 1.25 * w for w, x in zip((1, 2, 4), waits[1:], strict=True))
    assert _wait(30, None) <= 1.25 * LONGEST_WAIT and _wait(1, 1e9) == LONGEST_WAIT


def test_a_refusal_is_not_repeated(serve, tokenizer, sample):
    server = serve((401, {}, '{"error": {"message": "bad key"}}'))
    with pytest.raises(CellFailedError, match="refuses"):
        model(server, tokenizer).answer([sample], 7)
    assert len(server.requests) == 1


def test_an_endpoint_that_is_down_fails_the_cell(serve, tokenizer, sample):
    server = serve(completion("x"))
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(CellFailedError, match="no connection"):
        model(server, tokenizer, attempts=2).answer([sample], 7)


def test_an_endpoint_that_is_too_slow_is_asked_again(serve, tokenizer, sample):
    def late(_):
        time.sleep(0.6)
        return completion("late")

    server = serve(late, completion("in time"))
    player = model(server, tokenizer, timeout=0.3)
    assert player.answer([sample], 7)[0][0].text == "in time"
    server = serve(late)
    with pytest.raises(CellFailedError, match="no answer in time"):
        model(server, tokenizer, timeout=0.2, attempts=2).answer([sample], 7)


def test_a_run_goes_on_past_failed_cells_and_is_resumed(serve, tokenizer, book, tmp_path):
    class Longer:
        """Fails for all documents of more than 4,000 characters until it is repaired."""

        repaired = False

    def answer(server):
        long = len(server.requests[-1]["messages"][0]["content"]) > 5500
        return BROKEN if long and not Longer.repaired else completion("12345")

    server = serve(answer)
    player = model(server, tokenizer, attempts=2)
    player.name = "endpoint"
    assert run(player, tmp_path, tokenizer, book, samples=2)
    (results,) = read_folder(tmp_path)
    assert {key[1] for key in results.cells} == {2048}
    assert {key[1] for key in results.answers} == {1024}
    Longer.repaired = True
    before = len(server.requests)
    assert run(player, tmp_path, tokenizer, book, samples=2)
    (results,) = read_folder(tmp_path)
    assert not results.cells and len(server.requests) - before == 4
