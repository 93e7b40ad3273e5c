"""Questions by a model behind an endpoint, here a server that knows a few replies."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from farspan.data.generation.run import write_dialogues
from farspan.data.generation.written import alike, endpoint
from farspan.errors import RequestError

pytest.importorskip("openai")


def reply_to(prompt, outer):
    """A model that summarises, asks one good and one bad question, and answers."""
    if prompt.startswith("Summarise"):
        return "Pierre carried the lantern."
    if prompt.startswith("Write"):
        outer.asked += 1
        good = {"question": f"Who carried it (number {outer.asked})?", "answer": "Pierre"}
        known = {"question": "Which is the capital of France?", "answer": "Paris"}
        return f"Here they are: {json.dumps([good, known, 'odd'])}"
    if "capital of France" in prompt:
        return "Paris."
    return "It was Pierre." if "lantern" in prompt else "unknown"


@pytest.fixture
def server():
    class Handler(BaseHTTPRequestHandler):
        asked = 0

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            said = reply_to(body["messages"][0]["content"], Handler)
            message = {"role": "assistant", "content": said if body["model"] == "good" else None}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            shown = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
            data = json.dumps({**shown, "choices": [choice]}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}/v1"
    http.shutdown()


def test_rows_with_a_models_questions(server, library, count, tmp_path):
    complete = endpoint(f"{server}#good")
    rows, n = write_dialogues(library.folder, tmp_path / "x", complete, 32768, 2, 0)
    assert rows == 2 and n >= 4
    found = [json.loads(p.read_text()) for p in sorted((tmp_path / "x" / "data").iterdir())]
    for row in found:
        levels = [question["level"] for question in row["questions"]]
        assert levels[:2] == ["global", "medium"] and "local" in levels
        assert row["tokens"] <= 32768 and row["documents"]
        assert all("France" not in message["content"] for message in row["messages"][::2])
        assert all(message["content"] == "Pierre" for message in row["messages"][1::2])
        asked = {e["question"]: e["message"] for e in row["evidence"]}
        starts = set(asked.values())
        later = [q for q, m in asked.items() if m != max(s for s in starts if s <= 2 * q)]
        assert later, "no question comes back to an earlier document"
        for e in row["evidence"]:
            content = row["messages"][e["message"]]["content"]
            assert 0 <= e["start"] < e["end"] <= len(content)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "x" / "data").iterdir()}
    write_dialogues(library.folder, tmp_path / "x", complete, 32768, 2, 0)
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "x" / "data").iterdir()}
    assert "none is exact by construction" in (tmp_path / "x" / "README.md").read_text()


def test_models_that_write_nothing_usable(library, tmp_path):
    said = []
    with pytest.raises(RequestError, match="no usable question"):
        write_dialogues(
            library.folder, tmp_path / "x", lambda prompt: "hm", 16384, 1, 0, said.append
        )
    assert "row 0 is left out" in said[0]


def test_endpoints_that_fail(server):
    for name, message in (
        ("nonsense", "give it as"),
        (f"{server}", "give it as"),
    ):
        with pytest.raises(RequestError, match=message):
            endpoint(name)
    with pytest.raises(RequestError, match="said nothing"):
        endpoint(f"{server}#mute")("Hello")


def test_answers_are_compared_by_words():
    assert alike("It was Pierre.", "Pierre") and not alike("", "Pierre")
    assert not alike("Natasha", "Pierre")
