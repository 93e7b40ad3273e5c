"""OpenAI's objects, and how they are streamed as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from fastapi.responses import StreamingResponse

from farspan.engine.scheduler import Token
from farspan.models.tokenizer import Tokenizer
from farspan.server.errors import as_api_error, error_body


def usage(prompt: int, answer: int, reused: int) -> dict[str, Any]:
    """What an answer took; `reused` prompt tokens were known from before."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": reused},
    }


def chat_logprobs(tokenizer: Tokenizer, tokens: Sequence[Token]) -> dict[str, Any] | None:
    """Log-probabilities in the chat's form, None where there are none."""
    if not tokens or tokens[0].logprob is None:
        return None
    return {
        "content": [
            {
                **_chat_token(tokenizer, token.id, token.logprob or 0.0),
                "top_logprobs": [_chat_token(tokenizer, *pair) for pair in token.top],
            }
            for token in tokens
        ],
        "refusal": None,
    }


def text_logprobs(
    tokenizer: Tokenizer, tokens: Sequence[Token], offset: int
) -> dict[str, Any] | None:
    """Log-probabilities in the form of text completions, `offset` characters into the answer."""
    if not tokens or tokens[0].logprob is None:
        return None
    words = [_word(tokenizer, token.id) for token in tokens]
    places = []
    for word in words:
        places.append(offset)
        offset += len(word)
    return {
        "tokens": words,
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{_word(tokenizer, i): p for i, p in token.top} for token in tokens],
        "text_offset": places,
    }


def event_stream(objects: AsyncGenerator[dict[str, Any]]) -> StreamingResponse:
    """Objects as they come, then [DONE]; an error on the way becomes the last object."""

    async def lines() -> AsyncIterator[str]:
        try:
            async with aclosing(objects):
                async for found in objects:
                    yield _line(found)
        except Exception as error:
            told = as_api_error(error)
            yield _line(error_body(str(told), told.status, told.param, told.code))
        yield "data: [DONE]\n\n"

    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)


def _line(found: dict[str, Any]) -> str:
    return f"data: {json.dumps(found, ensure_ascii=False)}\n\n"


def _word(tokenizer: Tokenizer, token: int) -> str:
    return tokenizer.token_bytes(token).decode(errors="replace")


def _chat_token(tokenizer: Tokenizer, token: int, logprob: float) -> dict[str, Any]:
    data = tokenizer.token_bytes(token)
    return {"token": data.decode(errors="replace"), "logprob": logprob, "bytes": list(data)}
