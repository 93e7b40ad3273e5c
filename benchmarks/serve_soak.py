"""A server under mixed load: streams that are left, bad requests, documents that come and go.

python benchmarks/serve_soak.py --url http://127.0.0.1:8000 --minutes 3 --pid PID

Prints one JSON object: what was done, answers that differ from the first to the same prompt, the
server's memory at the end of the first quarter and at the end, and what is still on its way.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

PROMPTS = [f"Count on from {n}: {n}, {n + 1}, {n + 2}," for n in range(12)]
BAD = [b"{", b'{"model": 5}', b'{"model": "none", "prompt": "x"}', b"[" * 5000]


class Soak:
    """What all workers share."""

    def __init__(self, url: str, seconds: float) -> None:
        self.url, self.end = url, time.monotonic() + seconds
        self.done: Counter[str] = Counter()
        self.first: dict[str, str] = {}
        self.lock = threading.Lock()
        with httpx.Client(base_url=url) as http:
            self.model = http.get("/v1/models").json()["data"][0]["id"]

    def worker(self, seed: int) -> None:
        """Does one thing after the other until time is up."""
        chance = random.Random(seed)
        with httpx.Client(base_url=self.url, timeout=120) as http:
            while time.monotonic() < self.end:
                act = chance.choice([self.ask, self.ask, self.leave, self.bad, self.document])
                try:
                    act(http, chance)
                except (httpx.HTTPError, AssertionError) as error:
                    self.done[f"error: {type(error).__name__} {error}"[:120]] += 1

    def ask(self, http: httpx.Client, chance: random.Random) -> None:
        """A whole answer, compared with the first to the same prompt."""
        prompt = chance.choice(PROMPTS)
        body = {"model": self.model, "prompt": prompt, "temperature": 0, "max_tokens": 12}
        answer = http.post("/v1/completions", json=body)
        self.done[f"answer {answer.status_code}"] += 1
        if answer.status_code == 200:
            text = answer.json()["choices"][0]["text"]
            with self.lock:
                if self.first.setdefault(prompt, text) != text:
                    self.done["answers that differ"] += 1

    def leave(self, http: httpx.Client, chance: random.Random) -> None:
        """A stream that is left after a few lines."""
        body = {"model": self.model, "prompt": "Once", "max_tokens": 500, "stream": True}
        with http.stream("POST", "/v1/completions", json=body) as answer:
            for _, _line in zip(range(chance.randint(0, 6)), answer.iter_lines(), strict=False):
                pass
        self.done["left"] += 1

    def bad(self, http: httpx.Client, chance: random.Random) -> None:
        """What must be refused."""
        headers = {"Content-Type": "application/json"}
        answer = http.post("/v1/completions", content=chance.choice(BAD), headers=headers)
        self.done[f"bad {answer.status_code}"] += 1

    def document(self, http: httpx.Client, chance: random.Random) -> None:
        """A document: read to its end, or cancelled, and deleted."""
        text = f"Number {chance.random()}. " + "The goat was called Button. " * chance.randint(
            1, 80
        )
        added = http.post("/v1/documents", json={"text": text})
        if added.status_code != 201:
            self.done[f"document {added.status_code}"] += 1
            return
        document = added.json()["id"]
        if chance.random() < 0.5:
            http.post(f"/v1/documents/{document}/cancel")
        status = ""
        while status not in ("ready", "cancelled", "failed"):
            time.sleep(0.1)
            status = http.get(f"/v1/documents/{document}").json()["status"]
        self.done[f"document {status}"] += 1
        http.delete(f"/v1/documents/{document}")


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) * 1024


def main() -> None:
    """Runs the soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--pid", type=int, required=True)
    asked = parser.parse_args()
    soak = Soak(asked.url, asked.minutes * 60)
    threads = [threading.Thread(target=soak.worker, args=(i,)) for i in range(asked.workers)]
    for thread in threads:
        thread.start()
    time.sleep(asked.minutes * 15)
    early = resident(asked.pid)
    for thread in threads:
        thread.join()
    time.sleep(1)
    metrics = httpx.get(f"{asked.url}/metrics").text
    left = re.findall(r"^vllm:num_requests_(?:running|waiting) (\S+)$", metrics, re.M)
    report = {
        "done": dict(soak.done),
        "resident_early": early,
        "resident_end": resident(asked.pid),
        "still_on_its_way": sum(map(float, left)),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
