import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("httpx")

from farspan.evaluation.load import Load, Sample, percentiles, run_load, summary


def test_percentiles_are_by_nearest_rank():
    found = percentiles([i / 1000 for i in range(1, 101)])
    assert (found["p50"], found["p95"], found["p99"]) == pytest.approx((50, 95, 99))
    assert found["mean"] == pytest.approx(50.5)
    assert percentiles([]) == {}
    assert percentiles([0.007])["p50"] == pytest.approx(7)


def test_goodput_counts_those_that_keep_to_both_limits():
    load = Load("", "m", 1, 4, first_seconds=1.0, between_seconds=0.1)
    samples = [
        Sample(0.5, [0.05, 0.05], 0.6, 3),
        Sample(1.5, [0.05], 1.6, 2),
        Sample(0.5, [0.3], 0.8, 2),
        Sample(error="no"),
    ]
    row = summary(load, samples, 10.0)
    assert row["goodput_requests_per_second"] == pytest.approx(0.1)
    assert (row["requests"], row["failed"], row["error"]) == (3, 1, "no")
    assert row["tokens_per_second"] == pytest.approx(0.7)


class Fake(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        for text in ("a", "b"):
            line = '{"choices": [{"delta": {"content": "%s"}}]}' % text  # noqa: UP031
            self.wfile.write(f"data: {line}\n\n".encode())
        usage = '{"choices": [], "usage": {"completion_tokens": 2}}'
        self.wfile.write(f"data: {usage}\n\ndata: [DONE]\n\n".encode())

    def log_message(self, *_):
        pass


def test_a_load_is_counted():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Fake)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    load = Load(f"http://127.0.0.1:{server.server_port}", "m", 3, 7)
    row = asyncio.run(run_load(load))
    server.shutdown()
    server.server_close()
    assert (row["requests"], row["failed"]) == (7, 0)
    assert row["tokens_per_second"] * row["seconds"] == pytest.approx(14)
    assert set(row["first_token_ms"]) == {"mean", "p50", "p90", "p95", "p99"}
