import logging
import os

import httpx
import pytest

from farspan.errors import RequestError
from farspan.server.keys import Keys, add_key
from farspan.server.settings import Settings
from tests.server.conftest import Live, wait_for
from tests.tiny import STORY

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}


@pytest.fixture(scope="module")
def keyed(cache, tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "keys"
    keys = {name: add_key(path, name) for name in ("ann", "bob")}
    server = Live(api_key_file=path, requests_a_minute=60, body_bytes=50_000)
    yield server, keys, path
    server.stop()


def client(server, key=None):
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=server.url, headers=headers)


def test_keys_are_kept_as_hashes(keyed):
    _, keys, path = keyed
    assert not any(key in path.read_text() for key in keys.values())
    assert os.stat(path).st_mode & 0o077 == 0
    assert Keys.read(path).tenant(keys["ann"]) == "ann"
    assert Keys.read(path).tenant("fs-wrong") is None
    with pytest.raises(RequestError, match="small letters"):
        add_key(path, "../x")
    with pytest.raises(RequestError, match="cannot be read"):
        Keys.read(path / "none")


def test_everything_but_health_and_page_needs_a_key(keyed):
    server, keys, _ = keyed
    with client(server) as http:
        for path in ("/health", "/ready", "/"):
            assert http.get(path).status_code == 200
        paths = ["/v1/models", "/metrics", "/v1/documents", "/openapi.json", "/nowhere"]
        for path in paths:
            answer = http.get(path)
            assert answer.status_code == 401
            assert answer.json()["error"]["code"] == "invalid_api_key"
    with client(server, "fs-wrong") as http:
        assert http.post("/v1/chat/completions", json=CHAT).status_code == 401
    with client(server, keys["ann"]) as http:
        assert http.post("/v1/chat/completions", json=CHAT).status_code == 200


def test_tenants_do_not_see_each_other(keyed):
    server, keys, _ = keyed
    with client(server, keys["ann"]) as ann, client(server, keys["bob"]) as bob:
        document = ann.post("/v1/documents", json={"text": STORY}).json()["id"]
        wait_for(lambda: ann.get(f"/v1/documents/{document}").json()["status"] == "ready")
        assert bob.get("/v1/documents").json()["data"] == []
        for method, path in (
            ("GET", ""), ("GET", "/text"), ("GET", "/events"), ("POST", "/cancel"), ("DELETE", ""),
        ):  # fmt: skip
            assert bob.request(method, f"/v1/documents/{document}{path}").status_code == 404
        body = CHAT | {"document": document}
        assert bob.post("/v1/chat/completions", json=body).status_code == 404
        assert ann.post("/v1/chat/completions", json=body).status_code == 200


def test_bodies_and_rates_are_limited(keyed):
    server, keys, _ = keyed
    with client(server, keys["bob"]) as http:
        big = {"model": "tiny", "prompt": "x" * 60_000}
        answer = http.post("/v1/completions", json=big)
        assert answer.status_code == 413 and answer.json()["error"]["type"]
        chunks = iter([b"x" * 30_000] * 3)
        assert http.post("/v1/completions", content=chunks).status_code == 413
        for _ in range(500):
            answer = http.get("/v1/models")
            if answer.status_code != 200:
                break
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
    with client(server, keys["ann"]) as http:
        assert http.get("/v1/models").status_code == 200


def test_browsers_are_kept_careful(live):
    with client(live) as http:
        answer = http.get("/")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers
        evil = {"Origin": "https://evil.example"}
        assert http.post("/v1/chat/completions", json=CHAT, headers=evil).status_code == 403
        rebound = {"Host": "evil.example"}
        assert http.get("/v1/documents", headers=rebound).status_code == 403


def test_logs_have_ids_and_no_secrets(keyed, caplog):
    server, keys, _ = keyed
    with caplog.at_level(logging.INFO), client(server, keys["ann"]) as http:
        answer = http.post("/v1/chat/completions", json=CHAT)
    records = [record for record in caplog.records if record.name == "farspan.access"]
    assert records[-1].request_id == answer.headers["x-request-id"]
    assert records[-1].tenant == "ann" and records[-1].status == 200
    assert keys["ann"] not in str([vars(record) for record in caplog.records])


def test_other_hosts_need_keys():
    for host in ("0.0.0.0", "::", "example.org", "192.168.1.4"):
        with pytest.raises(RequestError, match="--api-key-file"):
            Settings(host=host)
    for host in ("localhost", "127.0.0.1", "::1"):
        assert Settings(host=host).host == host


def test_metrics_count(live):
    with client(live) as http:
        http.post("/v1/chat/completions", json=CHAT)
        page = http.get("/metrics").text
    for name in (
        "vllm:num_requests_running",
        "vllm:generation_tokens_total",
        "vllm:time_to_first_token_seconds_bucket",
    ):
        assert name in page
