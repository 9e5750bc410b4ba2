"""A server that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from emserve.exceptions import Busy, EmserveError, NotFound
from emserve.results import AtomsResult, DefectsResult, ModelList, ModelSummary, Result
from emserve.testing.answers import atoms_result, defects_result, model_summary

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
    results: the answer to every `atoms`, the answer to every `defects`, in any order; default: `atoms_result()` and
        `defects_result()`. The id of the request is put into it.
    models: the answer to `models`.
    preview: the answer to `preview`, PNG bytes.
    errors: answered first, one for each request, before anything succeeds.
    """

    def __init__(
        self,
        *results: AtomsResult | DefectsResult,
        models: Iterable[ModelSummary] | None = None,
        preview: bytes = _PNG,
        errors: Iterable[EmserveError] = (),
    ) -> None:
        self.atoms = next((given for given in results if isinstance(given, AtomsResult)), None) or atoms_result()
        self.defects = next((given for given in results if isinstance(given, DefectsResult)), None) or defects_result()
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
            case "POST", "preview":
                return httpx.Response(200, content=self.preview, headers={"Content-Type": "image/png"})
            case "GET", "models":
                return httpx.Response(200, content=self.models.model_dump_json(), headers=_JSON)
            case "GET", "readyz":
                return httpx.Response(200)
        return _refusal(NotFound(f"There is no {received.method} {received.path}.", remedy="See the README."))


_JSON = {"Content-Type": "application/json"}


def _success(result: Result, request: httpx.Request) -> httpx.Response:
    answer = result.model_copy(update={"request_id": request.headers["X-Request-Id"]})
    return httpx.Response(200, content=answer.model_dump_json(), headers=_JSON)


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
