"""What every request passes: an id, a key, limits, and headers that keep browsers careful."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farspan.server.errors import ApiError, error_response
from farspan.server.keys import LOCAL, Keys
from farspan.server.settings import Settings, is_loopback

log = logging.getLogger("farspan.access")

OPEN_PATHS = ("/", "/health", "/ready", "/favicon.ico")
"""What needs no key, besides the page's own files."""

PAGE = "/page/"
DOCUMENTS = "/v1/documents"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass
class Bucket:
    """A token bucket: `rate` requests a second, up to a minute's worth at once."""

    rate: float
    held: float
    at: float = field(default_factory=time.monotonic)

    def take(self) -> bool:
        """Whether one more may pass now."""
        now = time.monotonic()
        self.held = min(self.rate * 60, self.held + (now - self.at) * self.rate)
        self.at = now
        if self.held < 1:
            return False
        self.held -= 1
        return True


class Gate:
    """ASGI middleware. Puts the tenant at `request.state.tenant`."""

    def __init__(self, app: ASGIApp, settings: Settings, keys: Keys | None) -> None:
        self.app, self.settings, self.keys = app, settings, keys
        self._buckets: dict[str, Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request through, or answers it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, headers = time.perf_counter(), Headers(scope=scope)
        request_id = uuid.uuid4().hex
        status = 0

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out = MutableHeaders(scope=message)
                out["X-Request-Id"] = request_id
                for name, value in HEADERS.items():
                    out.setdefault(name, value)
            await send(message)

        tenant = None
        try:
            self._check_origin(headers)
            tenant = self._tenant(scope["path"], headers)
            scope.setdefault("state", {}).update(tenant=tenant, request_id=request_id)
            limit = self._limit(scope, headers)
        except ApiError as error:
            await error_response(error)(scope, receive, told)
        else:
            await self.app(scope, _limited(receive, limit), told)
        log.info(
            "request",
            extra={
                "request_id": request_id,
                "tenant": tenant,
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "seconds": round(time.perf_counter() - began, 4),
            },
        )

    def _check_origin(self, headers: Headers) -> None:
        """Other sites' pages get nothing; without keys, only this machine's names lead here."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise ApiError("pages of other sites may not use this server", status=403)
        if self.keys is None and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            raise ApiError(
                "this server answers to localhost alone; the Host header names another",
                status=403,
            )

    def _tenant(self, path: str, headers: Headers) -> str:
        if path in OPEN_PATHS or path.startswith(PAGE):
            return ""
        if self.keys is None:
            tenant: str | None = LOCAL
        else:
            scheme, _, key = headers.get("authorization", "").partition(" ")
            tenant = self.keys.tenant(key.strip()) if scheme.lower() == "bearer" else None
            if tenant is None:
                raise ApiError(
                    "there is no such API key; send one as Authorization: Bearer KEY",
                    status=401,
                    code="invalid_api_key",
                )
        assert tenant is not None
        a_minute = self.settings.requests_a_minute
        bucket = self._buckets.setdefault(tenant, Bucket(a_minute / 60, a_minute))
        if not bucket.take():
            raise ApiError(
                f"more than {a_minute} requests a minute; wait a little",
                status=429,
                code="rate_limit_exceeded",
                retry_after=1 + int(60 / a_minute),
            )
        return tenant

    def _limit(self, scope: Scope, headers: Headers) -> int:
        upload = scope["method"] == "POST" and scope["path"] == DOCUMENTS
        room = 2 * self.settings.document_bytes if upload else 0  # escapes in JSON
        limit = self.settings.body_bytes + room
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > limit:
            raise _too_long(limit)
        return limit


def _limited(receive: Receive, limit: int) -> Receive:
    """Stops a body that is longer than it said."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message: dict[str, Any] = dict(await receive())
        taken += len(message.get("body", b""))
        if taken > limit:
            raise HTTPException(413, _too_long(limit).args[0])  # FastAPI hides other errors here
        return message

    return counted


def _too_long(limit: int) -> ApiError:
    return ApiError(
        f"the body is longer than {limit:,} bytes; send less at a time",
        status=413,
        code="request_too_large",
    )
