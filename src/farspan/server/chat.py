"""POST /v1/chat/completions, about a document where one is named."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from farspan.engine.scheduler import Request as Work
from farspan.engine.scheduler import Token
from farspan.server.answers import events, whole
from farspan.server.errors import ApiError
from farspan.server.prompts import chat_ids, question_ids
from farspan.server.questions import Question
from farspan.server.schemas import ChatRequest
from farspan.server.service import Service
from farspan.server.wire import chat_logprobs, event_stream, usage

router = APIRouter()


@dataclass(frozen=True)
class Chat:
    """A chat request on its way."""

    service: Service
    body: ChatRequest
    work: Work
    question: Question | None
    id: str
    created: int

    def object(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        """An OpenAI object of this request."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.service.name,
            "choices": choices,
            **more,
        }

    async def citations(self, answer: str) -> list[dict[str, Any]] | None:
        """Of an answer about a document."""
        if self.question is None:
            return None
        service = self.service
        return await self.question.citations(service.loop, service.metrics, answer)


@router.post("/v1/chat/completions", tags=["answers"])
async def chat_completions(body: ChatRequest, request: Request) -> Response:
    """An answer to a chat, or to questions about a document."""
    service: Service = request.app.state.service
    service.check_model(body.model)
    chat = await _prepared(service, body, request.state.tenant)
    if body.stream:
        return event_stream(_streamed(chat, request))
    return JSONResponse(await _answered(chat, request))


async def _prepared(service: Service, body: ChatRequest, tenant: str) -> Chat:
    ids = (chat_ids if body.document is None else question_ids)(service.model, body.messages)
    sampling = service.sampling(
        body,
        max_tokens=body.max_completion_tokens or body.max_tokens,
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        warm=body.document is None,
    )
    constraint = await asyncio.to_thread(service.constraint, body.response_format)
    work = Work(tuple(ids), sampling, tenant, n=body.n or 1, constraint=constraint)
    question = None
    if body.document is not None:
        if work.n > 1:
            raise ApiError("about a document there is one answer at a time", param="n")
        entry = service.library.find(tenant, body.document)
        session = await asyncio.wrap_future(service.library.session(entry))
        question = Question(session, work, body.messages[-1].text)
        work = question.request
    return Chat(service, body, work, question, f"chatcmpl-{uuid.uuid4().hex}", int(time.time()))


async def _answered(chat: Chat, request: Request) -> dict[str, Any]:
    service = chat.service
    answers = await whole(service.loop, chat.work, service.metrics, request)
    choices = []
    for index, (tokens, done) in enumerate(answers):
        text = "".join(token.text for token in tokens) + done.text
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if chat.question is not None:
            message["content"] = text = text.strip()
            message["citations"] = await chat.citations(text)
        choices.append(
            {
                "index": index,
                "message": message,
                "logprobs": chat_logprobs(service.model.tokenizer, tokens),
                "finish_reason": done.reason,
            }
        )
    count = sum(done.tokens for _, done in answers)
    told = usage(len(chat.work.ids), count, answers[0][1].reused)
    return chat.object("chat.completion", choices, usage=told)


async def _streamed(chat: Chat, request: Request) -> AsyncGenerator[dict[str, Any]]:
    service, kind = chat.service, "chat.completion.chunk"
    wants_usage = chat.body.stream_options is not None and chat.body.stream_options.include_usage
    more: dict[str, Any] = {"usage": None} if wants_usage else {}

    def chunk(index: int, delta: dict[str, Any], **fields: Any) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        return chat.object(kind, [choice | fields], **more)

    for index in range(chat.work.n):
        yield chunk(index, {"role": "assistant", "content": ""})
    texts = [""] * chat.work.n
    count = reused = 0
    # The look for citations comes behind the last token; the text does not wait for it.
    async with aclosing(events(service.loop, chat.work, service.metrics, request)) as heard:
        async for event in heard:
            piece = event.text
            if chat.question is not None and not texts[event.index]:
                piece = piece.lstrip()
            texts[event.index] += piece
            if isinstance(event, Token):
                logprobs = chat_logprobs(service.model.tokenizer, [event])
                if piece or logprobs is not None:
                    yield chunk(event.index, {"content": piece}, logprobs=logprobs)
                continue
            count, reused = count + event.tokens, event.reused
            if piece:
                yield chunk(event.index, {"content": piece})
            delta: dict[str, Any] = {}
            if chat.question is not None:
                delta["citations"] = await chat.citations(texts[event.index])
            yield chunk(event.index, delta, finish_reason=event.reason)
    if wants_usage:
        yield chat.object(kind, [], usage=usage(len(chat.work.ids), count, reused))
