"""A load on a server: chats side by side, and how long each waits for its tokens.

Speaks OpenAI's API alone, so it measures other servers as well. Needs httpx (extra `serve`).
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from farspan.errors import RequestError

PERCENTILES = (50, 90, 95, 99)
WORDS = (
    "river", "lamp", "stone", "letter", "garden", "winter", "copper", "window", "sailor", "bridge",
    "paper", "candle",
)  # fmt: skip


@dataclass(frozen=True)
class Load:
    """`requests` chats, `concurrency` at a time, of about `prompt_words` words and answers of
    exactly `answer_tokens`; each waits up to `pause` seconds, at random, before the next.

    `first_seconds` and `between_seconds` are what a good answer keeps to: the time until its first
    token, and the mean time between tokens.
    """

    url: str
    model: str
    concurrency: int
    requests: int
    prompt_words: int = 24
    answer_tokens: int = 32
    pause: float = 0.0
    seed: int = 0
    api_key: str | None = None
    first_seconds: float = 2.0
    between_seconds: float = 0.2
    exact_length: bool = True


@dataclass
class Sample:
    """One request: seconds until the first token, between tokens, and until the end."""

    first: float = 0.0
    between: list[float] = field(default_factory=list)
    whole: float = 0.0
    tokens: int = 0
    error: str = ""


async def run_load(load: Load) -> dict[str, Any]:
    """Sends the load and returns a row of numbers; see `summary`."""
    limits = httpx.Limits(max_connections=load.concurrency + 4)
    async with httpx.AsyncClient(
        base_url=load.url, headers=_headers(load.api_key), timeout=600, limits=limits
    ) as client:
        numbers = iter(range(load.requests))
        samples: list[Sample] = []

        async def worker() -> None:
            for number in numbers:
                chance = random.Random(f"{load.seed}-{number}")
                await asyncio.sleep(chance.random() * load.pause)
                samples.append(await _ask(client, load, chance))

        began = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(load.concurrency)))
        seconds = time.perf_counter() - began
    return summary(load, samples, seconds)


def summary(load: Load, samples: Sequence[Sample], seconds: float) -> dict[str, Any]:
    """Throughput, goodput and the percentiles of waiting times, in milliseconds."""
    good = [sample for sample in samples if not sample.error]
    tokens = sum(sample.tokens for sample in good)
    kept = sum(_is_kept(load, sample) for sample in good)
    return {
        "concurrency": load.concurrency,
        "requests": len(good),
        "failed": len(samples) - len(good),
        "error": next((sample.error for sample in samples if sample.error), ""),
        "seconds": seconds,
        "requests_per_second": len(good) / seconds,
        "goodput_requests_per_second": kept / seconds,
        "tokens_per_second": tokens / seconds,
        "first_token_ms": percentiles([sample.first for sample in good]),
        "inter_token_ms": percentiles([gap for sample in good for gap in sample.between]),
        "whole_ms": percentiles([sample.whole for sample in good]),
    }


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Mean and percentiles, by nearest rank, in milliseconds; nothing for nothing."""
    if not seconds:
        return {}
    ordered = sorted(seconds)
    found = {"mean": 1000 * sum(ordered) / len(ordered)}
    for p in PERCENTILES:
        found[f"p{p}"] = 1000 * ordered[max(0, -(-p * len(ordered) // 100) - 1)]
    return found


async def _ask(client: httpx.AsyncClient, load: Load, chance: random.Random) -> Sample:
    words = " ".join(chance.choices(WORDS, k=load.prompt_words))
    body: dict[str, Any] = {
        "model": load.model,
        "messages": [{"role": "user", "content": f"Write about these: {words}."}],
        "max_tokens": load.answer_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if load.exact_length:
        body["ignore_eos"] = True
    sample = Sample()
    began = last = time.perf_counter()
    try:
        async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            if answer.status_code != 200:
                sample.error = (await answer.aread()).decode(errors="replace")[:300]
                return sample
            async for line in answer.aiter_lines():
                found = _data(line)
                if found is None:
                    continue
                if "error" in found:
                    sample.error = str(found["error"])[:300]
                    return sample
                now = time.perf_counter()
                if any(choice["delta"].get("content") for choice in found["choices"]):
                    if sample.first:
                        sample.between.append(now - last)
                    else:
                        sample.first = now - began
                    last = now
                if found.get("usage"):
                    sample.tokens = found["usage"]["completion_tokens"]
    except httpx.HTTPError as error:
        sample.error = f"{type(error).__name__}: {error}"
    sample.whole = time.perf_counter() - began
    return sample


def _data(line: str) -> dict[str, Any] | None:
    if not line.startswith("data: ") or line == "data: [DONE]":
        return None
    return dict(json.loads(line[6:]))


def _is_kept(load: Load, sample: Sample) -> bool:
    between = sum(sample.between) / max(len(sample.between), 1)
    return sample.first <= load.first_seconds and between <= load.between_seconds


def _headers(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}


class DocumentUnderWay:
    """A document that a farspan server reads while it is measured."""

    def __init__(self, url: str, text: str, api_key: str | None = None) -> None:
        self._http = httpx.Client(base_url=url, headers=_headers(api_key), timeout=600)
        found = self._http.post("/v1/documents", json={"text": text, "name": "load"})
        if found.status_code != 201:
            raise RequestError(f"the server did not take the document: {found.text[:300]}")
        self.id = found.json()["id"]

    def report(self) -> dict[str, Any]:
        """How far it is."""
        return dict(self._http.get(f"/v1/documents/{self.id}").json())

    def wait_until_reading(self, seconds: float = 600) -> None:
        """Returns when tokens are read. Raises `RequestError` if it is over before, or too long."""
        end = time.monotonic() + seconds
        while (found := self.report())["status"] in ("queued", "reading"):
            if found["done"] > 0:
                return
            if time.monotonic() > end:
                raise RequestError("the document was not begun in time")
            time.sleep(0.05)
        raise RequestError(f"the document is {found['status']} already; give a longer one")

    def speed(self, seconds: float) -> float:
        """Tokens a second over so long from now."""
        began, first = time.perf_counter(), self.report()["done"]
        time.sleep(seconds)
        return (self.report()["done"] - first) / (time.perf_counter() - began)

    def delete(self) -> None:
        """Takes it away again."""
        self._http.delete(f"/v1/documents/{self.id}")
        self._http.close()
