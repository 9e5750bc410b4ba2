"""The clients: `Client` blocks, `AsyncClient` awaits; both say and do the same."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx

from emserve import _calls
from emserve._calls import Call, PixelSize, Send
from emserve._settings import DEFAULT_TIMEOUT_S, ONCE, Settings
from emserve.exceptions import DeadlineExceeded, Unavailable
from emserve.results import AtomsPostprocess, AtomsResult, ModelSummary
from emserve.retries import Retries

if TYPE_CHECKING:
    from emserve._uploads import Source

T = TypeVar("T")


class Client:
    """A connection to an emserve server. Thread-safe; connections are pooled and kept.

    Parameters
    ----------
    url: address of the server; default: EMSERVE_URL of the environment, else http://127.0.0.1:3000.
    api_key: sent as `Authorization: Bearer …`; default: EMSERVE_API_KEY of the environment, else none.
    timeout: seconds without an answer until DeadlineExceeded is raised; None waits for ever.
    retries: how a busy server is asked again.
    transport: an httpx transport; `emserve.testing.FakeServer` has one for tests without a server.

    Example
    -------
        with emserve.Client() as client:
            result = client.atoms("micrograph.dm4")
        result.to_csv("columns.csv")
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT_S,
        *,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._settings = Settings(url, api_key, timeout, retries or Retries())
        self._http = httpx.Client(**self._settings.http(transport))

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._settings.url

    def atoms(
        self,
        source: Source,
        *,
        pixel_size_nm: PixelSize | None = None,
        model: str | None = None,
        threshold: float | None = None,
        postprocess: AtomsPostprocess | None = None,
        refine: bool | None = None,
        frame: int | None = None,
        request_id: str | None = None,
    ) -> AtomsResult:
        """Find the atom columns of a micrograph. What is None is left to the server.

        Parameters
        ----------
        source: path, the bytes of a file, or an array (height, width) or (frames, height, width). For an `.emi` the
            `.ser` next to it is sent.
        pixel_size_nm: one number, or (x, y); wins over what the file says.
        model: name of the model, as `models()` lists it.
        threshold: height of the network's map that counts as a column, 0 to 1.
        postprocess: 'log' (Laplacian of Gaussian) or 'otsu' (Otsu's threshold and geometric centres).
        refine: whether a 2D Gaussian is fitted to each column.
        frame: which frame of a stack, from 0.
        request_id: comes back in the answer and is in the server's log; made up if None.

        Raises EmserveError (see `emserve.exceptions`) and OSError for a file that cannot be opened.
        """
        return self._run(
            _calls.atoms(
                source,
                pixel_size_nm=pixel_size_nm,
                model=model,
                threshold=threshold,
                postprocess=postprocess,
                refine=refine,
                frame=frame,
                request_id=request_id,
            )
        )

    def preview(self, source: Source, *, frame: int | None = None, request_id: str | None = None) -> bytes:
        """The picture as the server reads it: PNG, 8-bit grey, contrast stretched, width and height of the micrograph.

        For microscope formats that nothing on this side can read: `result.plot(client.preview(path))`.
        """
        return self._run(_calls.preview(source, frame=frame, request_id=request_id))

    def models(self) -> list[ModelSummary]:
        """The models that the server serves, with their measured scores."""
        return self._run(_calls.models()).models

    def ready(self) -> bool:
        """Whether the server is there and ready. Raises UnexpectedAnswer where something else listens."""
        try:
            return self._run(_calls.ready(), ONCE)
        except (Unavailable, DeadlineExceeded):
            return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def _run(self, call: Call[T], retries: Retries | None = None) -> T:
        settings = self._settings
        retries = retries or settings.retries
        course = _calls.exchange(call, retries, url=settings.url, timeout_s=settings.timeout_s)
        reply: httpx.Response | httpx.RequestError | None = None
        while True:
            try:
                step = course.send(reply)
            except StopIteration as end:
                return end.value
            if isinstance(step, Send):
                reply = self._send(call)
            else:
                retries.clock.sleep(step.seconds)
                reply = None

    def _send(self, call: Call[Any]) -> httpx.Response | httpx.RequestError:
        stream = call.upload.open() if call.upload else None
        try:
            return self._http.send(self._http.build_request(**self._settings.request(call, stream)))
        except httpx.RequestError as error:
            return error
        finally:
            if stream is not None:
                stream.close()


class AsyncClient:
    """`Client`, awaited: the same arguments, methods, answers and exceptions.

    Example
    -------
        async with emserve.AsyncClient() as client:
            results = await asyncio.gather(*(client.atoms(path) for path in paths))
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float | None = DEFAULT_TIMEOUT_S,
        *,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = Settings(url, api_key, timeout, retries or Retries())
        self._http = httpx.AsyncClient(**self._settings.http(transport))

    @property
    def url(self) -> str:
        """Address of the server."""
        return self._settings.url

    async def atoms(
        self,
        source: Source,
        *,
        pixel_size_nm: PixelSize | None = None,
        model: str | None = None,
        threshold: float | None = None,
        postprocess: AtomsPostprocess | None = None,
        refine: bool | None = None,
        frame: int | None = None,
        request_id: str | None = None,
    ) -> AtomsResult:
        """Find the atom columns of a micrograph; see `Client.atoms`."""
        return await self._run(
            _calls.atoms(
                source,
                pixel_size_nm=pixel_size_nm,
                model=model,
                threshold=threshold,
                postprocess=postprocess,
                refine=refine,
                frame=frame,
                request_id=request_id,
            )
        )

    async def preview(self, source: Source, *, frame: int | None = None, request_id: str | None = None) -> bytes:
        """The picture as the server reads it, as PNG; see `Client.preview`."""
        return await self._run(_calls.preview(source, frame=frame, request_id=request_id))

    async def models(self) -> list[ModelSummary]:
        """The models that the server serves, with their measured scores."""
        return (await self._run(_calls.models())).models

    async def ready(self) -> bool:
        """Whether the server is there and ready; see `Client.ready`."""
        try:
            return await self._run(_calls.ready(), ONCE)
        except (Unavailable, DeadlineExceeded):
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"AsyncClient({self.url!r})"

    async def _run(self, call: Call[T], retries: Retries | None = None) -> T:
        settings = self._settings
        retries = retries or settings.retries
        course = _calls.exchange(call, retries, url=settings.url, timeout_s=settings.timeout_s)
        reply: httpx.Response | httpx.RequestError | None = None
        while True:
            try:
                step = course.send(reply)
            except StopIteration as end:
                return end.value
            if isinstance(step, Send):
                reply = await self._send(call)
            else:
                await retries.clock.sleep_async(step.seconds)
                reply = None

    async def _send(self, call: Call[Any]) -> httpx.Response | httpx.RequestError:
        stream = call.upload.open() if call.upload else None
        try:
            return await self._http.send(self._http.build_request(**self._settings.request(call, stream)))
        except httpx.RequestError as error:
            return error
        finally:
            if stream is not None:
                stream.close()
