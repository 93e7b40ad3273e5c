"""Errors in OpenAI's form: `{"error": {message, type, param, code}}`."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from farspan.engine.scheduler import Overloaded
from farspan.errors import RequestError

log = logging.getLogger(__name__)

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}


class ApiError(RequestError):
    """A request that is answered with an error; `param` names the field."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.param, self.code = status, param, code
        self.retry_after = retry_after


def error_body(message: str, status: int, param: str | None, code: str | None) -> dict[str, Any]:
    """The object that a client gets."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(error: Exception) -> JSONResponse:
    """The answer to a request that went wrong; what is not a request's fault is not told."""
    found = as_api_error(error)
    headers = {} if found.retry_after is None else {"Retry-After": str(found.retry_after)}
    body = error_body(str(found), found.status, found.param, found.code)
    return JSONResponse(body, found.status, headers)


def as_api_error(error: Exception) -> ApiError:
    """An error as clients see it."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Overloaded):
        return ApiError(str(error), status=503, code="overloaded", retry_after=1)
    if isinstance(error, RequestError):
        return ApiError(str(error))
    log.error("unexpected error", exc_info=error)
    return ApiError("the server failed to answer; its log tells more", status=500)


def add_handlers(app: FastAPI) -> None:
    """Has every error answered in this form."""

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
        param = ".".join(place) or None
        message = f"{param}: {first['msg']}" if param else str(first["msg"])
        return error_response(ApiError(message, param=param, code=str(first["type"])))

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            message = f"there is no {request.method} {request.url.path}"
        else:
            message = str(error.detail)
        return error_response(ApiError(message, status=error.status_code))

    async def any_error(request: Request, error: Exception) -> JSONResponse:
        return error_response(error)

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestError, any_error)
    app.add_exception_handler(Exception, any_error)
