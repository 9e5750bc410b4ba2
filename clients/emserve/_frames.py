"""Frames of a video as they arrive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from types import TracebackType
from typing import Self

import httpx

from emserve import _answers
from emserve.exceptions import EmserveError, Unavailable
from emserve.results import DislocationsFrame, DislocationsTracks, StackError


class Messages:
    """Bytes in, frames out: puts lines together and tells what they are. No input or output happens here."""

    def __init__(self, request_id: str, url: str, timeout_s: float | None) -> None:
        self.tracks: DislocationsTracks | None = None
        self._request_id = request_id
        self._url = url
        self._timeout_s = timeout_s
        self._rest = bytearray()
        self._frames = 0

    def take(self, chunk: bytes, response: httpx.Response) -> Iterator[DislocationsFrame]:
        """The frames that this chunk completes. Raises the exception that the server meant."""
        self._rest += chunk
        if b"\n" not in chunk:
            return
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            if not line.strip():
                continue
            match _answers.parse_message(line, response):
                case DislocationsFrame() as frame:
                    self._frames += 1
                    yield frame
                case DislocationsTracks() as tracks:
                    self.tracks = tracks
                case StackError() as message:
                    raise self._noted(_answers.error_of_message(message))

    def end(self) -> None:
        """No more bytes come. Raises Unavailable where the tracks are missing."""
        if self.tracks is None:
            raise self._noted(
                Unavailable(
                    f"The answer of {self._url} ended after {self._frames} frames, without tracks.",
                    remedy="Try again; if it stays so, see the server's log.",
                )
            )

    def broken(self, error: httpx.RequestError) -> EmserveError:
        """The exception of a connection that broke between two frames."""
        return self._noted(_answers.error_of_transport(error, url=self._url, timeout_s=self._timeout_s))

    def _noted(self, error: EmserveError) -> EmserveError:
        error.add_note(f"request id: {self._request_id}; frames before: {self._frames}")
        return error


class FrameStream:
    """Iterates over the frames of a video while they are analysed; close it, or use `with`, to stop before the end.

    `tracks` is None until all frames were taken.
    """

    def __init__(self, response: httpx.Response, messages: Messages) -> None:
        self._response = response
        self._messages = messages
        self._frames = self._course()

    @property
    def tracks(self) -> DislocationsTracks | None:
        """The tracks over all frames, or over those before the video broke off."""
        return self._messages.tracks

    def close(self) -> None:
        """Take no more frames; the server stops."""
        self._frames.close()
        self._response.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> DislocationsFrame:
        return next(self._frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _course(self) -> Generator[DislocationsFrame, None, None]:
        try:
            for chunk in self._response.iter_bytes():
                yield from self._messages.take(chunk, self._response)
        except httpx.RequestError as error:
            raise self._messages.broken(error) from error
        finally:
            self._response.close()
        self._messages.end()


class AsyncFrameStream:
    """`FrameStream`, awaited."""

    def __init__(self, response: httpx.Response, messages: Messages) -> None:
        self._response = response
        self._messages = messages
        self._frames = self._course()

    @property
    def tracks(self) -> DislocationsTracks | None:
        """The tracks over all frames, or over those before the video broke off."""
        return self._messages.tracks

    async def close(self) -> None:
        """Take no more frames; the server stops."""
        await self._frames.aclose()
        await self._response.aclose()

    def __aiter__(self) -> AsyncIterator[DislocationsFrame]:
        return self

    async def __anext__(self) -> DislocationsFrame:
        return await anext(self._frames)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _course(self) -> AsyncGenerator[DislocationsFrame, None]:
        try:
            async for chunk in self._response.aiter_bytes():
                for frame in self._messages.take(chunk, self._response):
                    yield frame
        except httpx.RequestError as error:
            raise self._messages.broken(error) from error
        finally:
            await self._response.aclose()
        self._messages.end()
