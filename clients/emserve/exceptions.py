"""Every error that emserve raises, on the server and in the client.

    EmserveError
    ├── InputError                      something about the request: fix it and send it again
    │   ├── EmptyBody                   400  no bytes in the file
    │   ├── BadRequest                  400  the request is not what the endpoint takes
    │   ├── UnsupportedFormat           415  no reader knows these bytes
    │   ├── UnreadableMicrograph        422  a known format, but broken, cut off or without a picture
    │   ├── InvalidParameter            422  a parameter out of its range
    │   ├── TooLarge                    413  more bytes or pixels than the server takes
    │   └── NotFound                    404
    │       └── UnknownModel            404  no model of that name
    ├── AccessError
    │   ├── Unauthorized                401  no API key
    │   └── Forbidden                   403  an API key that is not valid
    ├── ServiceError                    the server's side: try again later
    │   ├── Busy                        429  the queue is full
    │   ├── DeadlineExceeded            504  the answer took longer than the limit
    │   ├── Unavailable                 503  no server, or not ready
    │   ├── InternalError               500
    │   └── UnexpectedAnswer            502  what answered is not emserve, or speaks another contract
    ├── StoreError                      500  a model folder that cannot be served
    │   └── ChecksumMismatch            500  a file of a model is not the one its manifest names
    └── MissingDependency               501  an optional package is not installed

Each class has one HTTP status and one stable `code`; each instance says in `remedy` what to do about it. The
server turns an instance into `{"error": {"code", "message", "remedy", "field"}}`, and the client turns that
back into the same class.
"""

from __future__ import annotations

from typing import Any, ClassVar


class EmserveError(Exception):
    """Base of all errors of emserve.

    Parameters
    ----------
    message: what is wrong, in one sentence.
    remedy: what the user can do about it, in one sentence.
    field: the name of the parameter that is wrong, if it is one.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, remedy: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.field = field

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """The error as it travels: `{"error": {"code", "message", "remedy", "field"}}`."""
        return {"error": {"code": self.code, "message": self.message, "remedy": self.remedy, "field": self.field}}


class InputError(EmserveError):
    """Something about the request is wrong; the same request will fail again."""

    code = "input"
    status = 400


class EmptyBody(InputError):
    """The file has no bytes."""

    code = "empty_body"
    status = 400


class BadRequest(InputError):
    """The request is not what the endpoint takes (a missing or misnamed field, a broken body)."""

    code = "bad_request"
    status = 400


class UnsupportedFormat(InputError):
    """No reader knows these bytes."""

    code = "unsupported_format"
    status = 415


class UnreadableMicrograph(InputError):
    """A known format, but broken, cut off, or without a picture in real space."""

    code = "unreadable_micrograph"
    status = 422


class InvalidParameter(InputError):
    """A parameter out of its range."""

    code = "invalid_parameter"
    status = 422


class TooLarge(InputError):
    """More bytes or pixels than the server takes."""

    code = "too_large"
    status = 413


class NotFound(InputError):
    """There is nothing at that address."""

    code = "not_found"
    status = 404


class UnknownModel(NotFound):
    """No model of that name; the message names the known ones."""

    code = "unknown_model"
    status = 404


class AccessError(EmserveError):
    """The server does not let this caller in."""

    code = "access"
    status = 403


class Unauthorized(AccessError):
    """No API key was sent."""

    code = "unauthorized"
    status = 401


class Forbidden(AccessError):
    """The API key is not valid."""

    code = "forbidden"
    status = 403


class ServiceError(EmserveError):
    """The server's side; the same request may succeed later."""

    code = "service"
    status = 500


class Busy(ServiceError):
    """The queue is full; `retry_after_s` says when to try again."""

    code = "busy"
    status = 429

    def __init__(
        self, message: str, *, remedy: str = "", field: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, remedy=remedy, field=field)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(ServiceError):
    """The answer took longer than the limit."""

    code = "deadline_exceeded"
    status = 504


class Unavailable(ServiceError):
    """No server answers, or it is not ready."""

    code = "unavailable"
    status = 503


class InternalError(ServiceError):
    """A fault of the server."""

    code = "internal_error"
    status = 500


class UnexpectedAnswer(ServiceError):
    """What answered is not emserve (a proxy's page, another program), or speaks a contract of another time."""

    code = "unexpected_answer"
    status = 502


class StoreError(EmserveError):
    """A model folder that cannot be served."""

    code = "store"
    status = 500


class ChecksumMismatch(StoreError):
    """A file of a model is not the one that its manifest names."""

    code = "checksum_mismatch"
    status = 500


class MissingDependency(EmserveError):
    """An optional package is not installed; the remedy is the exact pip command."""

    code = "missing_dependency"
    status = 501
