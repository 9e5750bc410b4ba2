"""A server that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from emserve.exceptions import Busy, EmserveError, NotFound
from emserve.results import (
    AtomsResult,
    DefectsResult,
    DislocationsResult,
    ModelList,
    ModelSummary,
    Result,
    StackError,
    StackMessage,
)
from emserve.testing.answers import atoms_result, defects_result, model_summary
from emserve.testing.dislocations import dislocations_result, stack_answer

# A grey PNG of one pixel.
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a4944415478da6368000000820081da45083b0000000049454e44ae426082"
)


@dataclass(frozen=True)
class ReceivedRequest:
    """What a FakeServer was sent."""

    method: str
    path: str
    headers: httpx.Headers
    fields: dict[str, str] = field(default_factory=dict)
    file_name: str | None = None
    file: bytes | None = None


class FakeServer:
    """Answers as an emserve server does, in this process; `transport` goes into `Client` or `AsyncClient`.

    Parameters
    ----------
    results: the answer to every `atoms`, to every `defects`, to every `dislocations`, in any order; default:
        `atoms_result()`, `defects_result()`, `dislocations_result()`. The id of the request is put into it.
    stack: the messages to every `dislocations_stack`; default: `stack_answer()`.
    models: the answer to `models`.
    preview: the answer to `preview`, PNG bytes.
    errors: answered first, one for each request, before anything succeeds.
    """

    def __init__(
        self,
        *results: AtomsResult | DefectsResult | DislocationsResult,
        stack: Iterable[StackMessage] | None = None,
        models: Iterable[ModelSummary] | None = None,
        preview: bytes = _PNG,
        errors: Iterable[EmserveError] = (),
    ) -> None:
        made = (atoms_result, defects_result, dislocations_result)
        defaults = {type(answer): answer for answer in (make() for make in made)}
        answers = defaults | {type(given): given for given in results}
        self.atoms = answers[AtomsResult]
        self.defects = answers[DefectsResult]
        self.dislocations = answers[DislocationsResult]
        self.stack = stack_answer() if stack is None else list(stack)
        self.models = ModelList(models=[model_summary()] if models is None else list(models))
        self.preview = preview
        self.requests: list[ReceivedRequest] = []
        self.transport = httpx.MockTransport(self._answer)
        self._errors = list(errors)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        received = _received(request)
        self.requests.append(received)
        if self._errors:
            return _refusal(self._errors.pop(0))
        match received.method, received.path.rpartition("/")[2]:
            case "POST", "atoms":
                return _success(self.atoms, request)
            case "POST", "defects":
                return _success(self.defects, request)
            case "POST", "dislocations":
                return _success(self.dislocations, request)
            case "POST", "stack":
                lines = [_named(message, request).model_dump_json() + "\n" for message in self.stack]
                return httpx.Response(200, content="".join(lines), headers=_LINES)
            case "POST", "preview":
                return httpx.Response(200, content=self.preview, headers={"Content-Type": "image/png"})
            case "GET", "models":
                return httpx.Response(200, content=self.models.model_dump_json(), headers=_JSON)
            case "GET", "readyz":
                return httpx.Response(200)
        return _refusal(NotFound(f"There is no {received.method} {received.path}.", remedy="See the README."))


_JSON = {"Content-Type": "application/json"}
_LINES = {"Content-Type": "application/x-ndjson"}


def _success(result: Result, request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=_named(result, request).model_dump_json(), headers=_JSON)


def _named(message: Result | StackError, request: httpx.Request) -> Result | StackError:
    if isinstance(message, StackError):
        return message
    return message.model_copy(update={"request_id": request.headers["X-Request-Id"]})


def _refusal(error: EmserveError) -> httpx.Response:
    headers = {}
    if isinstance(error, Busy) and error.retry_after_s is not None:
        headers["Retry-After"] = f"{error.retry_after_s:.0f}"
    return httpx.Response(error.status, json=error.to_dict(), headers=headers)


def _received(request: httpx.Request) -> ReceivedRequest:
    """Take a multipart request apart."""
    fields: dict[str, str] = {}
    name, content = None, None
    kind = request.headers.get("Content-Type", "")
    if kind.startswith("multipart/form-data"):
        boundary = b"--" + kind.partition("boundary=")[2].encode()
        for part in request.content.split(boundary)[1:-1]:
            head, _, body = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            body = body.removesuffix(b"\r\n")
            disposition = head.decode().split("\r\n")[0]
            label = disposition.partition('name="')[2].partition('"')[0]
            if 'filename="' in disposition:
                name, content = disposition.partition('filename="')[2].partition('"')[0], body
            else:
                fields[label] = body.decode()
    return ReceivedRequest(request.method, request.url.path, request.headers, fields, name, content)
