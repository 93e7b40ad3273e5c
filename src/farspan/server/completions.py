"""POST /v1/completions: text that goes on."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from farspan.engine.scheduler import Request as Work
from farspan.engine.scheduler import Token
from farspan.server.answers import events, whole
from farspan.server.errors import ApiError
from farspan.server.schemas import CompletionRequest
from farspan.server.service import Service
from farspan.server.wire import event_stream, text_logprobs, usage

router = APIRouter()


@router.post("/v1/completions", tags=["answers"])
async def completions(body: CompletionRequest, request: Request) -> Response:
    """What follows each prompt."""
    service: Service = request.app.state.service
    service.check_model(body.model)
    constraint = await asyncio.to_thread(service.constraint, body.response_format)
    sampling = service.sampling(
        body, max_tokens=body.max_tokens or 16, logprobs=body.logprobs, warm=True
    )
    works = [
        Work(tuple(ids), sampling, request.state.tenant, n=body.n or 1, constraint=constraint)
        for ids in _prompts(service, body)
    ]
    about = {
        "id": f"cmpl-{uuid.uuid4().hex}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": service.name,
    }
    if body.stream:
        if len(works) > 1:
            raise ApiError("one prompt can be streamed at a time", param="prompt")
        return event_stream(_streamed(service, body, works[0], about, request))
    tokenizer = service.model.tokenizer
    found = await asyncio.gather(
        *(whole(service.loop, work, service.metrics, request) for work in works)
    )
    choices: list[dict[str, Any]] = []
    for work, answers in zip(works, found, strict=True):
        before = tokenizer.decode(work.ids) if body.echo else ""
        for tokens, done in answers:
            text = before + "".join(token.text for token in tokens) + done.text
            choices.append(
                {
                    "index": len(choices),
                    "text": text,
                    "logprobs": text_logprobs(tokenizer, tokens, len(before)),
                    "finish_reason": done.reason,
                }
            )
    ends = [done for answers in found for _, done in answers]
    told = usage(
        sum(len(work.ids) for work in works),
        sum(done.tokens for done in ends),
        sum(answers[0][1].reused for answers in found),
    )
    return JSONResponse({**about, "choices": choices, "usage": told})


async def _streamed(
    service: Service,
    body: CompletionRequest,
    work: Work,
    about: dict[str, Any],
    request: Request,
) -> AsyncGenerator[dict[str, Any]]:
    tokenizer = service.model.tokenizer
    wants_usage = body.stream_options is not None and body.stream_options.include_usage
    more: dict[str, Any] = {"usage": None} if wants_usage else {}
    before = tokenizer.decode(work.ids) if body.echo else ""
    places = [len(before)] * work.n

    def chunk(index: int, text: str, reason: str | None, logprobs: Any = None) -> dict[str, Any]:
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": reason}
        return {**about, "choices": [choice], **more}

    if before:
        for index in range(work.n):
            yield chunk(index, before, None)
    count = reused = 0
    async with aclosing(events(service.loop, work, service.metrics, request)) as heard:
        async for event in heard:
            if isinstance(event, Token):
                logprobs = text_logprobs(tokenizer, [event], places[event.index])
                places[event.index] += len(event.text)
                if event.text or logprobs is not None:
                    yield chunk(event.index, event.text, None, logprobs)
            else:
                count, reused = count + event.tokens, event.reused
                yield chunk(event.index, event.text, event.reason)
    if wants_usage:
        yield {**about, "choices": [], "usage": usage(len(work.ids), count, reused)}


def _prompts(service: Service, body: CompletionRequest) -> list[list[int]]:
    """The prompts as tokens; control tokens in texts count, since the client makes the format."""
    tokenizer, prompt = service.model.tokenizer, body.prompt
    if isinstance(prompt, str):
        prompt = [prompt]
    start = [tokenizer.bos_id] if tokenizer.adds_bos and tokenizer.bos_id is not None else []
    found: list[list[int]] = []
    numbers: list[int] = []
    for one in prompt:
        if isinstance(one, str):
            found.append([*start, *tokenizer.encode(one)])
        elif isinstance(one, int):
            numbers.append(one)
        else:
            found.append(list(one))
    found += [numbers] if numbers else []
    size = service.model.decoder.config.vocab_size
    if any(not 0 <= token < size for ids in found for token in ids):
        raise ApiError(f"tokens are numbers from 0 to {size - 1}", param="prompt")
    if not all(found):
        raise ApiError("the prompt is empty", param="prompt")
    return found
