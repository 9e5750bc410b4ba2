"""The client that is awaited: says and does the same as `emserve.client`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx

from emserve import _calls
from emserve._calls import Call, PixelSize, Send
from emserve._frames import AsyncFrameStream, Messages
from emserve._settings import DEFAULT_TIMEOUT_S, ONCE, Settings
from emserve.exceptions import DeadlineExceeded, Unavailable
from emserve.results import AtomsPostprocess, AtomsResult, DefectsResult, DislocationsResult, ModelSummary
from emserve.retries import Retries

if TYPE_CHECKING:
    from emserve._uploads import Source, StackSource

T = TypeVar("T")


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

    async def defects(
        self,
        source: Source,
        *,
        pixel_size_nm: PixelSize | None = None,
        thickness_nm: float | None = None,
        score: float | None = None,
        model: str | None = None,
        frame: int | None = None,
        taylor_factor: float | None = None,
        shear_modulus_gpa: float | None = None,
        burgers_vector_nm: float | None = None,
        barrier_strengths: Mapping[str, float] | None = None,
        request_id: str | None = None,
    ) -> DefectsResult:
        """Find the irradiation defects of a micrograph; see `Client.defects`."""
        return await self._run(
            _calls.defects(
                source,
                pixel_size_nm=pixel_size_nm,
                thickness_nm=thickness_nm,
                score=score,
                model=model,
                frame=frame,
                taylor_factor=taylor_factor,
                shear_modulus_gpa=shear_modulus_gpa,
                burgers_vector_nm=burgers_vector_nm,
                barrier_strengths=barrier_strengths,
                request_id=request_id,
            )
        )

    async def dislocations(
        self,
        source: Source,
        *,
        pixel_size_nm: PixelSize | None = None,
        model: str | None = None,
        threshold: float | None = None,
        frame: int | None = None,
        shear_modulus_gpa: float | None = None,
        burgers_vector_nm: float | None = None,
        request_id: str | None = None,
    ) -> DislocationsResult:
        """Find the dislocation lines of a micrograph; see `Client.dislocations`."""
        return await self._run(
            _calls.dislocations(
                source,
                pixel_size_nm=pixel_size_nm,
                model=model,
                threshold=threshold,
                frame=frame,
                shear_modulus_gpa=shear_modulus_gpa,
                burgers_vector_nm=burgers_vector_nm,
                request_id=request_id,
            )
        )

    async def dislocations_stack(
        self,
        source: StackSource,
        *,
        pixel_size_nm: PixelSize | None = None,
        frame_time_s: float | None = None,
        model: str | None = None,
        threshold: float | None = None,
        gate_px: float | None = None,
        memory: int | None = None,
        correct_drift: bool | None = None,
        shear_modulus_gpa: float | None = None,
        burgers_vector_nm: float | None = None,
        pictures: bool = False,
        request_id: str | None = None,
    ) -> AsyncFrameStream:
        """Follow the dislocation lines of a video: an asynchronous iterator; see `Client.dislocations_stack`.

        async with await client.dislocations_stack("video.mp4") as frames:
            async for frame in frames:
                ...
        """
        call = _calls.dislocations_stack(
            source,
            pixel_size_nm=pixel_size_nm,
            frame_time_s=frame_time_s,
            model=model,
            threshold=threshold,
            gate_px=gate_px,
            memory=memory,
            correct_drift=correct_drift,
            shear_modulus_gpa=shear_modulus_gpa,
            burgers_vector_nm=burgers_vector_nm,
            pictures=pictures,
            request_id=request_id,
        )
        return AsyncFrameStream(await self._run(call), Messages(call.request_id, self.url, self._settings.timeout_s))

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
        stream = await asyncio.to_thread(call.upload.open) if call.upload else None
        try:
            request = self._http.build_request(**self._settings.request(call, stream))
            response = await self._http.send(request, stream=call.streamed)
            if call.streamed and not response.is_success:
                await response.aread()
            return response
        except httpx.RequestError as error:
            return error
        finally:
            if stream is not None:
                stream.close()
