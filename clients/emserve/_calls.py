"""The requests of emserve, and the course of one: what to send, when to wait, what to hand over.

No input or output happens here, so that the blocking and the asynchronous client share all of it: `exchange` yields
what is to be done next, and is sent what came of it.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Generic, SupportsFloat, TypeVar

import httpx

from emserve import _answers
from emserve._uploads import Upload, upload, upload_stack
from emserve.exceptions import Busy, InvalidParameter
from emserve.results import AtomsPostprocess, AtomsResult, DefectsResult, DislocationsResult, ModelList
from emserve.retries import Retries

if TYPE_CHECKING:
    from emserve._uploads import Source, StackSource

T = TypeVar("T")
PixelSize = SupportsFloat | Iterable[SupportsFloat]

log = logging.getLogger("emserve")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its answer is read; one that is streamed is read by whoever it is handed to."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    request_id: str
    fields: Mapping[str, str] = field(default_factory=dict)
    upload: Upload | None = None
    streamed: bool = False


@dataclass(frozen=True)
class Send:
    """Send the call, and hand the response in, or the httpx.RequestError."""


@dataclass(frozen=True)
class Wait:
    """Wait so long, and hand None in."""

    seconds: float


def atoms(
    source: Source,
    *,
    pixel_size_nm: PixelSize | None,
    model: str | None,
    threshold: float | None,
    postprocess: AtomsPostprocess | None,
    refine: bool | None,
    frame: int | None,
    request_id: str | None,
) -> Call[AtomsResult]:
    """`POST /v1/atoms`. What is None is not sent, and the server's default holds."""
    fields = {
        "pixel_size_nm": None if pixel_size_nm is None else _pixel_size(pixel_size_nm),
        "model": model,
        "threshold": _number(threshold),
        "postprocess": postprocess,
        "refine": _flag(refine),
        "frame": None if frame is None else str(int(frame)),
    }
    return _posted("v1/atoms", partial(_answers.parse, AtomsResult), fields, upload(source), request_id)


def defects(
    source: Source,
    *,
    pixel_size_nm: PixelSize | None,
    thickness_nm: float | None,
    score: float | None,
    model: str | None,
    frame: int | None,
    taylor_factor: float | None,
    shear_modulus_gpa: float | None,
    burgers_vector_nm: float | None,
    barrier_strengths: Mapping[str, float] | None,
    request_id: str | None,
) -> Call[DefectsResult]:
    """`POST /v1/defects`. What is None is not sent, and the server's default holds."""
    fields = {
        "pixel_size_nm": None if pixel_size_nm is None else _pixel_size(pixel_size_nm),
        "thickness_nm": _number(thickness_nm),
        "score": _number(score),
        "model": model,
        "frame": None if frame is None else str(int(frame)),
        "taylor_factor": _number(taylor_factor),
        "shear_modulus_gpa": _number(shear_modulus_gpa),
        "burgers_vector_nm": _number(burgers_vector_nm),
        "barrier_strengths": _strengths(barrier_strengths) if barrier_strengths else None,
    }
    return _posted("v1/defects", partial(_answers.parse, DefectsResult), fields, upload(source), request_id)


def dislocations(
    source: Source,
    *,
    pixel_size_nm: PixelSize | None,
    model: str | None,
    threshold: float | None,
    frame: int | None,
    shear_modulus_gpa: float | None,
    burgers_vector_nm: float | None,
    request_id: str | None,
) -> Call[DislocationsResult]:
    """`POST /v1/dislocations`. What is None is not sent, and the server's default holds."""
    fields = {
        "pixel_size_nm": None if pixel_size_nm is None else _pixel_size(pixel_size_nm),
        "model": model,
        "threshold": _number(threshold),
        "frame": None if frame is None else str(int(frame)),
        "shear_modulus_gpa": _number(shear_modulus_gpa),
        "burgers_vector_nm": _number(burgers_vector_nm),
    }
    return _posted("v1/dislocations", partial(_answers.parse, DislocationsResult), fields, upload(source), request_id)


def dislocations_stack(
    source: StackSource,
    *,
    pixel_size_nm: PixelSize | None,
    frame_time_s: float | None,
    model: str | None,
    threshold: float | None,
    gate_px: float | None,
    memory: int | None,
    correct_drift: bool | None,
    shear_modulus_gpa: float | None,
    burgers_vector_nm: float | None,
    pictures: bool,
    request_id: str | None,
) -> Call[httpx.Response]:
    """`POST /v1/dislocations/stack`: its answer is a response whose lines are still to come."""
    fields = {
        "pixel_size_nm": None if pixel_size_nm is None else _pixel_size(pixel_size_nm),
        "frame_time_s": _number(frame_time_s),
        "model": model,
        "threshold": _number(threshold),
        "gate_px": _number(gate_px),
        "memory": None if memory is None else str(int(memory)),
        "correct_drift": _flag(correct_drift),
        "shear_modulus_gpa": _number(shear_modulus_gpa),
        "burgers_vector_nm": _number(burgers_vector_nm),
        "pictures": "true" if pictures else None,
    }
    path = "v1/dislocations/stack"
    return _posted(path, _answers.lines_to_come, fields, upload_stack(source), request_id, streamed=True)


def preview(source: Source, *, frame: int | None, request_id: str | None) -> Call[bytes]:
    """`POST /v1/preview`."""
    fields = {} if frame is None else {"frame": str(int(frame))}
    return Call("POST", "v1/preview", _answers.parse_png, _request_id(request_id), fields, upload(source))


def models() -> Call[ModelList]:
    """`GET /v1/models`."""
    return Call("GET", "v1/models", partial(_answers.parse, ModelList), _request_id(None))


def ready() -> Call[bool]:
    """`GET /readyz`."""
    return Call("GET", "readyz", _answers.parse_ready, _request_id(None))


def exchange(
    call: Call[T], retries: Retries, *, url: str, timeout_s: float | None
) -> Generator[Send | Wait, httpx.Response | httpx.RequestError | None, T]:
    """The course of one call; returns its answer or raises the exception that the server meant.

    429 and 503 are tried again as `retries` says. A cut connection is tried again once: no call changes anything on the
    server, and an idle connection may have been closed while the request was on its way.
    """
    clock = retries.clock
    begin = clock.monotonic()
    attempt = 0
    while True:
        attempt += 1
        reply = yield Send()
        wished = None
        if isinstance(reply, httpx.Response):
            if reply.is_success:
                return call.read(reply)
            error, cause = _answers.error_of(reply), None
            again = reply.status_code in (429, 503)
            wished = _answers.retry_after_s(reply, now_s=clock.time())
            if isinstance(error, Busy):
                error.retry_after_s = wished
        else:
            assert reply is not None, "a response or an error is handed in after Send"
            error, cause = _answers.error_of_transport(reply, url=url, timeout_s=timeout_s), reply
            again = attempt == 1 and not isinstance(reply, httpx.TimeoutException | httpx.ConnectError)
        pause = retries.pause_s(attempt, wished)
        if not again or attempt >= retries.attempts or clock.monotonic() - begin + pause > retries.total_s:
            error.add_note(f"request id: {call.request_id}")
            raise error from cause
        log.info("%s Attempt %d of %d follows in %.1f s.", error.message, attempt + 1, retries.attempts, pause)
        yield Wait(pause)


def _posted(
    path: str,
    read: Callable[[httpx.Response], T],
    fields: Mapping[str, str | None],
    file: Upload,
    request_id: str | None,
    *,
    streamed: bool = False,
) -> Call[T]:
    sent = {name: value for name, value in fields.items() if value is not None}
    return Call("POST", path, read, _request_id(request_id), sent, file, streamed)


def _flag(value: bool | None) -> str | None:
    return None if value is None else "true" if value else "false"


def _number(value: float | None) -> str | None:
    return None if value is None else repr(float(value))


def _strengths(values: Mapping[str, float]) -> str:
    wrong = [name for name in values if not name or set(name) & set(",=")]
    if wrong:
        raise InvalidParameter(
            f"{wrong[0]!r} is not the name of a class.",
            remedy="Pass names as the answer has them, such as loop_111.",
            field="barrier_strengths",
        )
    return ",".join(f"{name}={float(strength)!r}" for name, strength in values.items())


def _pixel_size(value: PixelSize) -> str:
    try:
        return repr(float(value))  # type: ignore[arg-type]
    except TypeError:
        pair = [repr(float(v)) for v in value]  # type: ignore[union-attr]
    if len(pair) != 2:
        raise InvalidParameter(
            f"pixel_size_nm has {len(pair)} numbers.", remedy="Pass one number, or (x, y).", field="pixel_size_nm"
        )
    return ",".join(pair)


def _request_id(value: str | None) -> str:
    if value is None:
        return uuid.uuid4().hex
    if not _REQUEST_ID.fullmatch(value):
        raise InvalidParameter(
            "The request id has characters that a header cannot carry.",
            remedy="Use 1 to 128 of: letters, digits, . _ : -",
            field="request_id",
        )
    return value
