"""Whatever a stranger sends: an error that names something, and the next request works."""

import json
import socket

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.conftest import wait_for

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
TEXT = {"model": "tiny", "prompt": "Hi", "max_tokens": 2}
FIELDS = """model messages prompt max_tokens max_completion_tokens temperature top_p top_k min_p n
stop seed stream stream_options logprobs top_logprobs response_format presence_penalty logit_bias
frequency_penalty repetition_penalty tools user suffix document echo""".split()  # noqa: SIM905
SCHEMAS = [
    {"type": "json_schema", "json_schema": {"schema": schema}}
    for schema in (
        {},
        {"type": "x"},
        {"enum": []},
        {"$ref": "#/nowhere"},
        {"pattern": "("},
        {"not": {}},
    )
]
ODD = [
    10**30,
    -(10**30),
    1e308,
    0,
    -1,
    "",
    "\0",
    "\ud800",
    "😀" * 50,
    [],
    [[]],
    {},
    [None],
    True,
    None,
]
VALUES = st.sampled_from(ODD + SCHEMAS) | st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def http(live):
    with httpx.Client(base_url=live.url, timeout=60) as client:
        yield client


def check(answer):
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert (
            error["message"]
            and error["type"]
            and set(error) == {"message", "type", "param", "code"}
        )


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    path=st.sampled_from([("/v1/chat/completions", CHAT), ("/v1/completions", TEXT)]),
    change=st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=2),
)
def test_odd_fields(http, path, change):
    body = json.dumps(path[1] | change, allow_nan=True)
    answer = http.post(path[0], content=body, headers={"Content-Type": "application/json"})
    check(answer)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"model":' * 20_000,
        b'{"model": "tiny", "messages": NaN}', b'{"n": 1e999}', b'{"seed": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/documents", "/tokenize"])
def test_malformed_bodies(http, path, body):
    answer = http.post(path, content=body, headers={"Content-Type": "application/json"})
    check(answer)
    assert 400 <= answer.status_code < 500
    assert http.post("/v1/chat/completions", json=CHAT).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2f..%2fcli/main.py",
        "/page//etc/passwd", "/v1/documents/..%2f..%2fx", "/v1/documents/doc-0/text?start=-1",
        "/v1/sessions/%00",
    ],
)  # fmt: skip
def test_no_path_leads_out(http, path):
    answer = http.get(path)
    check(answer)
    assert answer.status_code in (400, 404, 405)


def test_a_connection_that_stays_half_open_keeps_nobody_waiting(live, http):
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
    with socket.create_connection(live.url.removeprefix("http://").split(":")) as half:
        half.sendall(head + b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
        assert http.post("/v1/chat/completions", json=CHAT).status_code == 200
    wait_for(lambda: live.service.scheduler.load().running == 0)
