"""How far it has come, on the standard error: a bar on a terminal, a line per file otherwise."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TextIO

_BAR = 24
_TICK_S = 0.25


class Progress:
    """Progress over a number of files.

    Parameters
    ----------
    total: number of files.
    stream: where to; a bar is drawn if it is a terminal, else a line is written for each file (none for a single one).
    """

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total = total
        self._done = 0
        self._stream = stream
        self._live = stream.isatty()
        self._begin = time.monotonic()
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Progress:
        if self._live:
            self._ticker = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker
        self.clear()

    def clear(self) -> None:
        """Take the bar away, so that something else can be printed."""
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def advance(self, name: str) -> None:
        """One more file is done."""
        self._done += 1
        if self._live:
            self._draw()
        elif self._total > 1:
            print(f"emserve: {self._done}/{self._total} {name}", file=self._stream, flush=True)

    def _draw(self) -> None:
        filled = _BAR * self._done // self._total
        seconds = time.monotonic() - self._begin
        bar = "#" * filled + "." * (_BAR - filled)
        self._stream.write(f"\r\x1b[K[{bar}] {self._done}/{self._total}  {seconds:.0f} s")
        self._stream.flush()

    async def _tick(self) -> None:
        while True:
            self._draw()
            await asyncio.sleep(_TICK_S)


class FrameProgress:
    """Progress over the frames of a video, on a terminal only: how many there will be is not always known.

    Parameters
    ----------
    stream: where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._begin = time.monotonic()
        self._done = 0

    def __enter__(self) -> FrameProgress:
        self._write("sending the video")
        return self

    def __exit__(self, *_: object) -> None:
        self._write("")

    def advance(self, total: int) -> None:
        """One more frame is done, of so many that the file says to have."""
        self._done += 1
        seconds = max(time.monotonic() - self._begin, 1e-3)
        filled = _BAR * self._done // total if total >= self._done else 0
        bar = f"[{'#' * filled}{'.' * (_BAR - filled)}] {self._done}/{total}" if filled else f"{self._done}"
        self._write(f"{bar} frames  {seconds:.0f} s  {self._done / seconds:.1f} frames/s")

    def _write(self, text: str) -> None:
        if self._live:
            self._stream.write(f"\r\x1b[K{text}")
            self._stream.flush()
