"""/v1/documents and /v1/sessions: what is read, and what lies on disk of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from farspan.server import entry as entries
from farspan.server.entry import Entry
from farspan.server.errors import ApiError
from farspan.server.library import session_report
from farspan.server.schemas import DocumentRequest
from farspan.server.service import Service
from farspan.server.wire import event_stream

router = APIRouter(tags=["documents"])

SUFFIXES = ("", ".txt", ".text", ".md", ".markdown")
TELL_SECONDS = 0.3
MOST_CHARS = 200_000
"""Of a document's text in one answer."""

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": DocumentRequest.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}


def _find(request: Request, document: str) -> tuple[Service, Entry]:
    service: Service = request.app.state.service
    return service, service.library.find(request.state.tenant, document)


@router.post("/v1/documents", status_code=201, openapi_extra=_BODY)
async def add_document(request: Request) -> JSONResponse:
    """Takes a text in, as JSON {text, name} or as an uploaded file, and begins to read it."""
    service: Service = request.app.state.service
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    text, name = await (_uploaded if kind == "multipart/form-data" else _sent)(request)
    add = service.library.add
    entry = await asyncio.to_thread(add, request.state.tenant, text, name)
    return JSONResponse(entry.report(), 201)


@router.get("/v1/documents")
async def list_documents(request: Request) -> JSONResponse:
    """All documents, the newest first."""
    service: Service = request.app.state.service
    found = [entry.report() for entry in service.library.list(request.state.tenant)]
    return JSONResponse({"object": "list", "data": found})


@router.get("/v1/documents/{document}")
async def get_document(document: str, request: Request) -> JSONResponse:
    """One document, and how far it is read."""
    return JSONResponse(_find(request, document)[1].report())


@router.get("/v1/documents/{document}/events")
async def watch_document(document: str, request: Request) -> Response:
    """The document as an event each time something changed, until reading ends."""
    _, entry = _find(request, document)

    async def told() -> AsyncGenerator[dict[str, Any]]:
        last = None
        while True:
            found = entry.report()
            if found != last:
                last = found
                yield found
            if found["status"] not in entries.UNFINISHED:
                return
            await asyncio.sleep(TELL_SECONDS)

    return event_stream(told())


@router.get("/v1/documents/{document}/text")
async def read_text(
    document: str,
    request: Request,
    start: Annotated[int, Query(ge=0, le=1 << 40)] = 0,
    end: Annotated[int | None, Query(ge=0, le=1 << 40)] = None,
) -> JSONResponse:
    """Characters `start` to `end` of the text, at most 200,000."""
    service, entry = _find(request, document)
    session = await asyncio.wrap_future(service.library.session(entry))
    whole = session.document.text
    stop = min(len(whole) if end is None else end, start + MOST_CHARS, len(whole))
    text = whole[start:stop]
    return JSONResponse(
        {"object": "text", "start": min(start, len(whole)), "end": start + len(text),
         "length": len(whole), "text": text}
    )  # fmt: skip


@router.post("/v1/documents/{document}/cancel")
async def cancel_document(document: str, request: Request) -> JSONResponse:
    """Stops reading; what was read is kept."""
    service, entry = _find(request, document)
    service.library.cancel(entry)
    return JSONResponse(entry.report())


@router.post("/v1/documents/{document}/resume")
async def resume_document(document: str, request: Request) -> JSONResponse:
    """Reads on after a cancel or a failure."""
    service, entry = _find(request, document)
    service.library.go_on(entry)
    return JSONResponse(entry.report())


@router.delete("/v1/documents/{document}")
async def delete_document(document: str, request: Request) -> JSONResponse:
    """Forgets a document and frees its room."""
    service, entry = _find(request, document)
    await asyncio.wrap_future(service.library.delete(entry))
    return JSONResponse({"id": entry.id, "object": "document", "deleted": True})


@router.get("/v1/sessions")
async def list_sessions(request: Request) -> JSONResponse:
    """What lies on disk, by document."""
    service: Service = request.app.state.service
    own = service.library.list(request.state.tenant)
    found = await asyncio.to_thread(lambda: [session_report(entry) for entry in own])
    return JSONResponse({"object": "list", "data": found})


@router.delete("/v1/sessions/{session}")
async def delete_session(session: str, request: Request) -> JSONResponse:
    """As deleting its document."""
    service, entry = _find(request, session)
    await asyncio.wrap_future(service.library.delete(entry))
    return JSONResponse({"id": entry.id, "object": "session", "deleted": True})


async def _sent(request: Request) -> tuple[str, str]:
    try:
        body = DocumentRequest.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(map(str, first["loc"])) or None
        raise ApiError(f"{param or 'body'}: {first['msg']}", param=param) from error
    return body.text, body.name


async def _uploaded(request: Request) -> tuple[str, str]:
    async with request.form(max_files=1, max_fields=8) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ApiError("file: the form has no file of this name", param="file")
        data, name = await file.read(), Path((file.filename or "").replace("\\", "/")).name[:200]
    if Path(name).suffix.lower() not in SUFFIXES:
        raise ApiError(f"{name}: only .txt and .md files are read yet", param="file")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ApiError(f"{name} is not UTF-8 text (byte {error.start})", param="file") from error
    if "\0" in text:
        raise ApiError(f"{name} is a binary file, not text", param="file")
    return text, name or "upload"
