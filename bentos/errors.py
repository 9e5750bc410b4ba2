"""One shape for every error: `{"error": {"code", "message", "remedy", "field"}}`."""

from __future__ import annotations

import json

from pydantic import BaseModel, Field
from starlette.responses import Response

from emserve.exceptions import BadRequest, Busy, EmserveError, Forbidden, InternalError, NotFound, Unauthorized

LONGEST_MESSAGE = 2000


class ErrorDetail(BaseModel):
    """What is wrong, and what to do about it."""

    code: str = Field(description="stable name of the kind of error")
    message: str = Field(description="what is wrong")
    remedy: str = Field(description="what to do about it")
    field: str | None = Field(description="the parameter that is wrong, if it is one")


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class MethodNotAllowed(BadRequest):
    """The address is right, the method is not."""

    status = 405

    def __init__(self, message: str, *, allow: str) -> None:
        super().__init__(message, remedy=f"Use {allow}.")
        self.allow = allow


def unexpected(request_id: str) -> InternalError:
    """What the caller is told about an exception that nobody foresaw; the log has the rest."""
    return InternalError(
        "The server failed at this request.",
        remedy=f"Try again; if it stays so, report the request id {request_id}, which is in the log.",
    )


def no_such_path(path: str, known: list[str]) -> NotFound:
    """The error for an address that the service does not have."""
    return NotFound(f"There is nothing at {path[:200]!r}.", remedy=f"There is: {', '.join(known)}.")


def response(error: EmserveError) -> Response:
    """An exception as an HTTP answer; 429 carries Retry-After, 401 and 403 WWW-Authenticate, 405 Allow."""
    body = error.to_dict()
    body["error"]["message"] = body["error"]["message"][:LONGEST_MESSAGE]
    headers: dict[str, str] = {}
    if isinstance(error, Busy):
        headers["Retry-After"] = str(max(1, round(error.retry_after_s or 1)))
    if isinstance(error, Unauthorized | Forbidden):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = error.allow
    return Response(json.dumps(body, ensure_ascii=False), error.status, headers, media_type="application/json")
