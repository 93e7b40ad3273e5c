"""From the scheduler's thread to the server's coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from fastapi import Request as HttpRequest

from farspan.engine.scheduler import Done, Loop, Request, Token
from farspan.engine.scheduler.request import Event
from farspan.server.errors import ApiError, as_api_error
from farspan.server.metrics import Metrics

POLL_SECONDS = 0.5


async def events(
    loop: Loop, request: Request, metrics: Metrics, http: HttpRequest | None = None
) -> AsyncGenerator[Event]:
    """The events of a request until all its answers are done; `ApiError` if one fails.

    Closing the iterator, or a client that goes away, ends the request and frees what it holds.
    """
    queue: asyncio.Queue[Event] = asyncio.Queue()
    here = asyncio.get_running_loop()

    def hear(event: Event) -> None:
        here.call_soon_threadsafe(queue.put_nowait, event)

    ticket = loop.submit(request, hear)
    watched = metrics.watch(request)
    open_answers = request.n
    try:
        while open_answers:
            try:
                event = await asyncio.wait_for(queue.get(), POLL_SECONDS)
            except TimeoutError:
                if http is not None and await http.is_disconnected():
                    raise ApiError("the client has gone", status=499) from None
                continue
            watched.hear(event)
            if isinstance(event, Done):
                open_answers -= 1
                _check(event)
            yield event
    finally:
        if open_answers:
            loop.cancel(ticket)


def _check(done: Done) -> None:
    if done.reason == "error":
        assert done.error is not None
        raise as_api_error(done.error)
    if done.reason == "timeout":
        raise ApiError("the answer took too long and was given up", status=503, code="timeout")
    if done.reason == "cancelled":
        raise ApiError("the server is going down; ask again later", status=503, code="shutdown")


async def whole(
    loop: Loop, request: Request, metrics: Metrics, http: HttpRequest | None = None
) -> list[tuple[list[Token], Done]]:
    """All answers, each with its tokens and its end."""
    tokens: list[list[Token]] = [[] for _ in range(request.n)]
    ends: dict[int, Done] = {}
    async for event in events(loop, request, metrics, http):
        if isinstance(event, Token):
            tokens[event.index].append(event)
        else:
            ends[event.index] = event
    return [(tokens[i], ends[i]) for i in range(request.n)]
