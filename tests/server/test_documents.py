import json
import re

import httpx
import openai
import pytest

from farspan.apps import citations
from farspan.apps.ask import answer
from farspan.engine.sampling import Sampling
from farspan.engine.scheduler import Limits
from tests.server.conftest import Live, wait_for
from tests.tiny import STORY

LONG = STORY * 60


@pytest.fixture(scope="module")
def http(live):
    with httpx.Client(base_url=live.url, timeout=30) as client:
        yield client


def add(http, text=STORY, name="ferry.txt"):
    added = http.post("/v1/documents", json={"text": text, "name": name})
    assert added.status_code == 201, added.text
    return added.json()["id"]


def finished(http, document):
    wait_for(lambda: http.get(f"/v1/documents/{document}").json()["status"] == "ready")


def events(response):
    return [json.loads(x) for x in re.findall(r"^data: (\{.*\})$", response.text, re.M)]


def test_a_document_is_read_and_asked_with_citations(live, http, monkeypatch):
    monkeypatch.setattr(citations, "_ALIKE", 0.0)  # a random model looks nowhere in particular
    text = STORY * 4
    document = add(http, text)
    progress = events(http.get(f"/v1/documents/{document}/events"))
    assert progress[-1]["status"] == "ready" and progress[-1]["done"] == progress[-1]["total"]
    client = openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0)
    question = [{"role": "user", "content": "What fell?"}]
    found = client.chat.completions.create(
        model="tiny", messages=question, max_tokens=12, extra_body={"document": document}
    )
    message = found.choices[0].message
    session = live.service.library.open[document]
    expected = answer(session, "What fell?", sampling=Sampling(max_tokens=12))
    assert message.content == expected.text
    assert [c["text"] for c in message.citations] == [c.text for c in expected.citations]
    assert message.citations
    for cited in message.citations:
        assert text[cited["start"] : cited["end"]] == cited["text"]
        assert cited["file"] == "ferry.txt"
    pieces, streamed = [], None
    for chunk in client.chat.completions.create(
        model="tiny",
        messages=question,
        max_tokens=12,
        stream=True,
        extra_body={"document": document},
    ):
        pieces.append(chunk.choices[0].delta.content or "")
        streamed = getattr(chunk.choices[0].delta, "citations", streamed)
    assert "".join(pieces).strip() == message.content
    assert streamed == message.citations


def test_the_text_can_be_looked_at(http):
    document = add(http)
    finished(http, document)
    found = http.get(f"/v1/documents/{document}/text", params={"start": 4, "end": 9}).json()
    assert found["text"] == STORY[4:9] and found["length"] == len(STORY)
    far = http.get(f"/v1/documents/{document}/text", params={"start": 10**9}).json()
    assert far["text"] == "" and far["start"] == len(STORY)


def test_a_file_can_be_uploaded(http):
    files = {"file": ("../../etc/ferry.md", STORY.encode(), "text/markdown")}
    added = http.post("/v1/documents", files=files)
    assert added.status_code == 201 and added.json()["name"] == "ferry.md"
    finished(http, added.json()["id"])


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"file": ("a.pdf", b"%PDF")}, "only .txt and .md"),
        ({"file": ("a.txt", b"\xff\xfe\x00x")}, "not UTF-8"),
        ({"file": ("a.txt", b"a\0b")}, "binary"),
        ({"file": ("a.txt", b"  \n")}, "no text"),
        ({"other": ("a.txt", b"x")}, "no file of this name"),
    ],
)
def test_bad_files_are_refused(http, files, says):
    found = http.post("/v1/documents", files=files)
    assert found.status_code == 400
    assert says in found.json()["error"]["message"]


@pytest.mark.parametrize("body", ["", "{", "[]", '{"text": 5}', '{"text": ""}', "[" * 100_000])
def test_bad_bodies_are_refused(http, body):
    found = http.post("/v1/documents", content=body)
    assert found.status_code == 400 and found.json()["error"]["message"]


def test_cancel_keeps_and_resume_goes_on(live, http):
    document = add(http, LONG)
    wait_for(lambda: http.get(f"/v1/documents/{document}").json()["done"] > 0)
    early = http.post(f"/v1/documents/{document}/resume")
    assert early.status_code == 409
    asked = {"model": "tiny", "document": document}
    messages = [{"role": "user", "content": "What fell?"}]
    early = http.post("/v1/chat/completions", json=asked | {"messages": messages})
    assert early.status_code == 409
    assert http.post(f"/v1/documents/{document}/cancel").status_code == 200
    wait_for(lambda: not live.service.scheduler.readings)
    kept = http.get(f"/v1/documents/{document}").json()
    assert kept["status"] == "cancelled" and 0 < kept["done"] < kept["total"]
    assert http.post(f"/v1/documents/{document}/resume").status_code == 200
    finished(http, document)


def test_delete_frees_the_room(live, http, cache):
    document = add(http, LONG)
    wait_for(lambda: http.get(f"/v1/documents/{document}").json()["done"] > 0)
    assert any(document in s["id"] for s in http.get("/v1/sessions").json()["data"])
    assert http.delete(f"/v1/documents/{document}").json()["deleted"]
    assert http.get(f"/v1/documents/{document}").status_code == 404
    assert not [path for path in cache.rglob("*") if document in path.name]


def test_a_restart_goes_on_reading(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path))
    slow = Limits(step_seconds=1e-4)
    first = Live(limits=slow)
    with httpx.Client(base_url=first.url) as http:
        document = add(http, LONG)
        wait_for(lambda: http.get(f"/v1/documents/{document}").json()["done"] > 500)
    first.stop()
    second = Live()
    with httpx.Client(base_url=second.url) as http:
        wait_for(lambda: http.get(f"/v1/documents/{document}").json()["done"] > 500)
        finished(http, document)
    second.stop()
    left = {path.name for path in (tmp_path / "documents").iterdir()}
    assert left == {f"{document}.json"}  # the text is the session's now
