"""What came back: into the contract's classes, or into the exception that the server meant."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from emserve import exceptions
from emserve.results import CONTRACT, StackError, StackMessage, stack_message

T = TypeVar("T", bound=BaseModel)

_CHECK_URL = "Check the address: url= in Python, --url on the command line, EMSERVE_URL in the environment."
_PNG = b"\x89PNG\r\n\x1a\n"


# The classes of the contract, not what a program may have derived from them.
_BY_CODE = {
    error.code: error
    for error in vars(exceptions).values()
    if isinstance(error, type) and issubclass(error, exceptions.EmserveError)
}

# Answers that are not in emserve's words come from something in between, or from a newer emserve.
_BY_STATUS: dict[int, tuple[type[exceptions.EmserveError], str]] = {
    401: (exceptions.Unauthorized, "Pass api_key= (--api-key, EMSERVE_API_KEY)."),
    403: (exceptions.Forbidden, "Ask whoever runs the server for an API key that is valid."),
    404: (exceptions.NotFound, _CHECK_URL),
    413: (exceptions.TooLarge, "Send a smaller file, or ask whoever runs the server to raise the limit."),
    415: (exceptions.UnsupportedFormat, "Convert the file to TIFF."),
    429: (exceptions.Busy, "Try again later, or send fewer files at once."),
    502: (exceptions.Unavailable, "The server behind the proxy does not answer: try again later."),
    503: (exceptions.Unavailable, "Try again later."),
    504: (exceptions.DeadlineExceeded, "Send a smaller picture, or ask whoever runs the server to raise the limit."),
}


def parse(model: type[T], response: httpx.Response) -> T:
    """The body as a class of the contract. Raises UnexpectedAnswer where it is something else."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        contract = _contract(response)
        if contract is not None and _major(contract) != _major(CONTRACT):
            raise exceptions.UnexpectedAnswer(
                f"The server answers with contract {contract}, this client reads {CONTRACT}.",
                remedy="Install the client that belongs to the server.",
            ) from error
        raise _not_emserve(response, f"what is wrong first: {_first_fault(error)}") from error


def parse_png(response: httpx.Response) -> bytes:
    """The body, which must be a PNG."""
    if not response.content.startswith(_PNG):
        raise _not_emserve(response, "a PNG was expected")
    return response.content


def parse_ready(response: httpx.Response) -> bool:
    """True, unless the answer is a web page: then something else listens there."""
    if "html" in response.headers.get("content-type", ""):
        raise _not_emserve(response, "a web page")
    return True


def lines_to_come(response: httpx.Response) -> httpx.Response:
    """The response itself, which must be one that answers line by line."""
    if not response.headers.get("content-type", "").startswith("application/x-ndjson"):
        response.close()
        raise _not_emserve(response, "JSON lines were expected")
    return response


def parse_message(line: bytes, response: httpx.Response) -> StackMessage | None:
    """One line of an answer; None for what a newer server adds. Raises UnexpectedAnswer where it is no message."""
    try:
        return stack_message(line)
    except ValueError as error:
        fault = _first_fault(error) if isinstance(error, ValidationError) else str(error)
        raise _not_emserve(response, f"what is wrong first: {fault}") from error


def error_of_message(message: StackError) -> exceptions.EmserveError:
    """The exception that ends an answer line by line."""
    error = message.error
    kind = _BY_CODE.get(error.code, exceptions.InternalError)
    return kind(error.message, remedy=error.remedy, field=error.field)


def error_of(response: httpx.Response) -> exceptions.EmserveError:
    """The exception of an answer that is not a success: by its code, then by its HTTP status."""
    body = _error_body(response)
    status = response.status_code
    fallback, remedy = _BY_STATUS.get(status, (None, ""))
    if fallback is None:
        fallback = exceptions.InputError if 400 <= status < 500 else exceptions.InternalError
    if body is not None:
        made = _BY_CODE.get(body["code"], fallback)(
            body["message"], remedy=_text(body.get("remedy")), field=_text(body.get("field")) or None
        )
    elif response.is_redirect:
        made = exceptions.UnexpectedAnswer(
            f"{_where(response)} redirects to {response.headers.get('location', 'nowhere')}.", remedy=_CHECK_URL
        )
    elif status < 400:
        made = _not_emserve(response, "not an answer that it gives")
    else:
        made = fallback(
            f"{_where(response)} answered {status} {response.reason_phrase}, not in emserve's words.",
            remedy=remedy or "Something between here and the server may have answered; see the server's log.",
        )
    return made


def retry_after_s(response: httpx.Response, *, now_s: float) -> float | None:
    """Seconds that the server asks to wait; None where it does not say. A date counts from `now_s` (since 1970)."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_s)
    except ValueError:
        return None


def error_of_transport(error: httpx.RequestError, *, url: str, timeout_s: float | None) -> exceptions.EmserveError:
    """The exception of a request that got no answer at all."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return exceptions.Unavailable(
            f"No server answers at {url} ({str(error) or 'no connection in time'}).",
            remedy="Start it with `make serve`, or pass url= (--url, EMSERVE_URL).",
        )
    if isinstance(error, httpx.TimeoutException):
        limit = "the time limit" if timeout_s is None else f"{timeout_s:g} s"
        return exceptions.DeadlineExceeded(
            f"No answer from {url} within {limit}.",
            remedy="Pass a longer timeout= (--timeout), or send a smaller picture.",
        )
    return exceptions.Unavailable(
        f"The connection to {url} was cut before the answer was there ({str(error) or type(error).__name__}).",
        remedy="Try again; if it stays so, see the server's log: the file may be larger than it takes.",
    )


def _error_body(response: httpx.Response) -> dict[str, Any] | None:
    """The inner object of `{"error": {...}}`, or None where the body is not of that shape."""
    try:
        error = json.loads(response.content)["error"]
        return error if isinstance(error["code"], str) and isinstance(error["message"], str) else None
    except (ValueError, TypeError, KeyError):
        return None


def _contract(response: httpx.Response) -> str | None:
    try:
        contract = json.loads(response.content)["contract"]
    except (ValueError, TypeError, KeyError):
        return None
    return contract if isinstance(contract, str) else None


def _major(contract: str) -> str:
    return contract.split(".")[0]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _where(response: httpx.Response) -> str:
    return str(response.request.url)


def _first_fault(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def _not_emserve(response: httpx.Response, why: str) -> exceptions.UnexpectedAnswer:
    kind = response.headers.get("content-type", "an answer without a type").split(";")[0]
    return exceptions.UnexpectedAnswer(
        f"What answers at {_where(response)} does not speak emserve's contract {CONTRACT} (got {kind}; {why}).",
        remedy=_CHECK_URL,
    )
