"""Test what you build on emserve without a server.

    from emserve import Busy, Client, Retries
    from emserve.testing import FakeClock, FakeServer, atoms_result

    server = FakeServer(atoms_result(columns=12), errors=[Busy("The queue is full.")])
    with Client(transport=server.transport, retries=Retries(clock=FakeClock())) as client:
        assert client.atoms(picture).statistics.count == 12
    assert server.requests[0].fields == {}

The fakes answer in the words of the contract, through the same code that talks to a real server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from emserve.exceptions import Busy, EmserveError, NotFound
from emserve.results import (
    AtomColumn,
    AtomsParameters,
    AtomsResult,
    AtomsStatistics,
    MicrographInfo,
    ModelInfo,
    ModelList,
    ModelSummary,
    Timings,
)

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
    result: the answer to every `atoms`; default: `atoms_result()`. The id of the request is put into it.
    models: the answer to `models`.
    preview: the answer to `preview`, PNG bytes.
    errors: answered first, one for each request, before anything succeeds.
    """

    def __init__(
        self,
        result: AtomsResult | None = None,
        *,
        models: Iterable[ModelSummary] | None = None,
        preview: bytes = _PNG,
        errors: Iterable[EmserveError] = (),
    ) -> None:
        self.result = result or atoms_result()
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
                answer = self.result.model_copy(update={"request_id": request.headers["X-Request-Id"]})
                return httpx.Response(200, content=answer.model_dump_json(), headers=_JSON)
            case "POST", "preview":
                return httpx.Response(200, content=self.preview, headers={"Content-Type": "image/png"})
            case "GET", "models":
                return httpx.Response(200, content=self.models.model_dump_json(), headers=_JSON)
            case "GET", "readyz":
                return httpx.Response(200)
        return _refusal(NotFound(f"There is no {received.method} {received.path}.", remedy="See the README."))


class FakeClock:
    """Time that passes only when somebody sleeps; `slept_s` lists how long."""

    def __init__(self, jitter: float = 0.5) -> None:
        self.now_s = 0.0
        self.slept_s: list[float] = []
        self._jitter = jitter

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_s += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def jitter(self) -> float:
        return self._jitter


def atoms_result(
    positions_px: Iterable[tuple[float, float]] | None = None,
    *,
    columns: int = 4,
    width_px: int = 64,
    height_px: int = 64,
    pixel_size_nm: float | None = 0.01,
) -> AtomsResult:
    """A plausible answer: columns at `positions_px`, or `columns` of them 10 px apart in rows. No physics."""
    if positions_px is None:
        a_row = max(1, (width_px - 10) // 10)
        positions_px = [(10.0 * (i % a_row + 1), 10.0 * (i // a_row + 1)) for i in range(columns)]
    found = [
        AtomColumn(
            x_px=float(x),
            y_px=float(y),
            x_nm=None if pixel_size_nm is None else float(x) * pixel_size_nm,
            y_nm=None if pixel_size_nm is None else float(y) * pixel_size_nm,
            score=0.9,
            intensity=1.0,
            background=0.1,
            sigma_major_px=2.0,
            sigma_minor_px=1.9,
            angle_deg=0.0,
            fit_quality=0.99,
            refined=True,
        )
        for x, y in positions_px
    ]
    in_pm = None if pixel_size_nm is None else 10.0 * pixel_size_nm * 1000
    area = None if pixel_size_nm is None else width_px * height_px * pixel_size_nm**2
    return AtomsResult(
        request_id="fake",
        model=ModelInfo(
            name="fake", family="atoms", version="1.0.0", sha256="0" * 64, runtime="fake", precision="fp32"
        ),
        micrograph=MicrographInfo(
            width_px=width_px,
            height_px=height_px,
            frames=1,
            frame=0,
            pixel_size_x_nm=pixel_size_nm,
            pixel_size_y_nm=pixel_size_nm,
            pixel_size_source="none" if pixel_size_nm is None else "argument",
            format="npy",
            sha256=hashlib.sha256(b"").hexdigest(),
        ),
        timings_ms=Timings(read=1.0, preprocess=1.0, network=1.0, postprocess=1.0),
        parameters=AtomsParameters(threshold=0.5, postprocess="log", refine=True, scale_x=1.0, scale_y=1.0),
        statistics=AtomsStatistics(
            count=len(found),
            density_per_nm2=None if area is None else len(found) / area,
            nearest_neighbour_mean_px=10.0,
            nearest_neighbour_median_px=10.0,
            nearest_neighbour_std_px=0.0,
            nearest_neighbour_mean_pm=in_pm,
            nearest_neighbour_median_pm=in_pm,
            nearest_neighbour_std_pm=None if in_pm is None else 0.0,
            lattice=None,
        ),
        columns=found,
    )


def model_summary(name: str = "fake") -> ModelSummary:
    """A row of `models()`."""
    return ModelSummary(
        name=name,
        family="atoms",
        version="1.0.0",
        title="A model that is not there",
        default=True,
        licence="MIT",
        sha256="0" * 64,
        architecture="none",
        parameters=0,
        best_pixel_size_nm=0.016,
    )


_JSON = {"Content-Type": "application/json"}


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
