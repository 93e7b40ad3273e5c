"""What Prometheus is told; names are vLLM's where they mean the same."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from farspan.engine.scheduler import Done, Request, Scheduler, Token
from farspan.engine.scheduler.request import Event

_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self.running = Gauge("vllm:num_requests_running", "Answers on their way.", registry=own)
        self.waiting = Gauge("vllm:num_requests_waiting", "Requests that wait.", registry=own)
        self.reading = Gauge("farspan:documents_reading", "Documents on their way.", registry=own)
        self.state = Gauge(
            "farspan:state_bytes", "Predicted bytes of running states.", registry=own
        )
        self.kept = Gauge("farspan:prefix_bytes", "Bytes of states kept for reuse.", registry=own)
        self.prompt = Counter("vllm:prompt_tokens", "Prompt tokens taken in.", registry=own)
        self.generation = Counter("vllm:generation_tokens", "Answer tokens.", registry=own)
        self.read = Counter("farspan:read_tokens", "Document tokens read.", registry=own)
        self.hits = Counter(
            "vllm:prefix_cache_hits", "Prompt tokens that were known.", registry=own
        )
        self.success = Counter(
            "vllm:request_success", "Answers by how they ended.", ["finished_reason"], registry=own
        )
        self.step = Histogram(
            "farspan:step_seconds", "Time of a step.", buckets=_SECONDS, registry=own
        )
        self.first = Histogram(
            "vllm:time_to_first_token_seconds",
            "Until an answer begins.",
            buckets=_SECONDS,
            registry=own,
        )
        self.between = Histogram(
            "vllm:inter_token_latency_seconds", "Between tokens.", buckets=_SECONDS, registry=own
        )
        self.whole = Histogram(
            "vllm:e2e_request_latency_seconds",
            "Until an answer ends.",
            buckets=_SECONDS,
            registry=own,
        )

    def stepped(self, decoding: int, prompt: int, read: int, seconds: float) -> None:
        """A step of the scheduler."""
        self.step.observe(seconds)
        self.prompt.inc(prompt)
        self.read.inc(read)

    def watch(self, request: Request) -> Watched:
        """Follows one request."""
        return Watched(self)

    def page(self, scheduler: Scheduler) -> bytes:
        """The text that Prometheus reads."""
        load = scheduler.load()
        self.running.set(load.running)
        self.waiting.set(load.waiting)
        self.reading.set(load.reading)
        self.state.set(load.state_bytes)
        self.kept.set(load.reused_bytes)
        return generate_latest(self.registry)


class Watched:
    """The times of one request."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._began = time.perf_counter()
        self._last: dict[int, float] = {}

    def hear(self, event: Event) -> None:
        """Counts an event."""
        metrics, now = self._metrics, time.perf_counter()
        if isinstance(event, Token):
            before = self._last.get(event.index)
            if before is None:
                metrics.first.observe(now - self._began)
            else:
                metrics.between.observe(now - before)
            self._last[event.index] = now
            metrics.generation.inc()
        elif isinstance(event, Done):
            metrics.success.labels(event.reason).inc()
            metrics.hits.inc(event.reused)
            metrics.whole.observe(now - self._began)
