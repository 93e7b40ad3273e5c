"""Health, models, tokens and metrics."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from farspan import __version__
from farspan.server.errors import ApiError
from farspan.server.prompts import chat_ids
from farspan.server.schemas import DetokenizeRequest, TokenizeRequest
from farspan.server.service import Service

router = APIRouter(tags=["server"])
_STARTED = int(time.time())


@router.get("/health")
async def health() -> JSONResponse:
    """Whether the process lives."""
    return JSONResponse({"status": "ok", "version": __version__})


@router.get("/ready")
async def ready(request: Request) -> JSONResponse:
    """Whether requests are answered."""
    service: Service = request.app.state.service
    alive = service.loop.is_alive
    return JSONResponse({"status": "ready" if alive else "down"}, 200 if alive else 503)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """For Prometheus."""
    service: Service = request.app.state.service
    page = service.metrics.page(service.scheduler)
    return Response(page, headers={"content-type": CONTENT_TYPE_LATEST})


@router.get("/v1/models")
async def models(request: Request) -> JSONResponse:
    """The model that is served."""
    return JSONResponse({"object": "list", "data": [_model(request.app.state.service)]})


@router.get("/v1/models/{model:path}")
async def model(model: str, request: Request) -> JSONResponse:
    """One model."""
    service: Service = request.app.state.service
    service.check_model(model)
    return JSONResponse(_model(service))


@router.post("/tokenize")
async def tokenize(body: TokenizeRequest, request: Request) -> JSONResponse:
    """The tokens of a prompt or of messages."""
    service: Service = request.app.state.service
    if (body.prompt is None) == (body.messages is None):
        raise ApiError("send a prompt or messages, one of them", param="prompt")
    if body.prompt is not None:
        ids = service.model.tokenizer.encode(body.prompt)
    else:
        ids = chat_ids(service.model, body.messages or [])
    most = service.settings.limits.tokens
    return JSONResponse({"tokens": ids, "count": len(ids), "max_model_len": most})


@router.post("/detokenize")
async def detokenize(body: DetokenizeRequest, request: Request) -> JSONResponse:
    """The text of tokens."""
    tokenizer = request.app.state.service.model.tokenizer
    if any(token >= tokenizer.vocab_size for token in body.tokens):
        raise ApiError(f"tokens are numbers below {tokenizer.vocab_size}", param="tokens")
    return JSONResponse({"prompt": tokenizer.decode(body.tokens, skip_special=False)})


def _model(service: Service) -> dict[str, Any]:
    return {
        "id": service.name,
        "object": "model",
        "created": _STARTED,
        "owned_by": "farspan",
        "root": service.model.name,
        "max_model_len": service.settings.limits.tokens,
        "plan": service.model.plan,
    }
