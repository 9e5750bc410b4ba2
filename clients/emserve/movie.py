"""Overlays of a video's frames one after the other: an animated GIF, or PNGs in a folder.

Each frame is written when it comes, so that no more than one is in memory.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from emserve import pictures
from emserve._extras import require
from emserve.exceptions import InvalidParameter
from emserve.overlay import draw
from emserve.results import DislocationsFrame

if TYPE_CHECKING:
    from PIL import Image

_COLOURS = 255


class Movie:
    """Writes frames with their lines marked; a context manager.

        with Movie("lines.gif") as movie, client.dislocations_stack("video.mp4", pictures=True) as frames:
            for frame in frames:
                movie.add(frame)

    Parameters
    ----------
    path: of a `.gif`, or of a folder for PNGs named by the frame's number.
    frame_s: how long the GIF shows a frame.

    Raises InvalidParameter for another ending, MissingDependency without Pillow.
    """

    def __init__(self, path: str | os.PathLike[str], *, frame_s: float = 0.2) -> None:
        require("PIL.Image", extra="plot", purpose="A movie")
        self._path = Path(path)
        self._gif: _Gif | None = None
        self._as_gif = self._path.suffix.lower() == ".gif"
        self._frame_s = frame_s
        if not self._as_gif and self._path.suffix and not self._path.is_dir():
            raise InvalidParameter(
                f"A movie is not written as {self._path.suffix}.",
                remedy="Pass a name that ends with .gif, or a folder.",
                field="path",
            )

    def add(self, frame: DislocationsFrame) -> None:
        """Draw the next frame. Raises InvalidParameter for one that brings no picture."""
        if frame.png is None:
            raise InvalidParameter(
                f"Frame {frame.number} brings no picture.",
                remedy="Ask for them: dislocations_stack(…, pictures=True).",
                field="pictures",
            )
        image = draw(frame, pictures.read(frame.png))
        if not self._as_gif:
            self._path.mkdir(parents=True, exist_ok=True)
            image.save(self._path / f"frame_{frame.number:06d}.png", compress_level=3)
            return
        if self._gif is None:
            self._gif = _Gif(self._path.open("wb"), round(1000 * self._frame_s))
        self._gif.add(image)

    def close(self) -> None:
        """End the file."""
        if self._gif is not None:
            self._gif.close()
            self._gif = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Gif:
    """An animated GIF, frame by frame; Pillow's own way of many frames holds all of them until the last."""

    def __init__(self, stream: BinaryIO, frame_ms: int) -> None:
        self._stream = stream
        self._frame_ms = frame_ms
        self._begun = False

    def add(self, image: Image.Image) -> None:
        image_module = require("PIL.Image", extra="plot", purpose="A movie")
        gif = require("PIL.GifImagePlugin", extra="plot", purpose="A movie")
        flat = image.quantize(_COLOURS, method=image_module.Quantize.MEDIANCUT, dither=image_module.Dither.NONE)
        if not self._begun:
            for block in gif.getheader(flat, info={"loop": 0, "duration": self._frame_ms})[0]:
                self._stream.write(block)
            self._begun = True
        for block in gif.getdata(flat, duration=self._frame_ms, include_color_table=True):
            self._stream.write(block)

    def close(self) -> None:
        self._stream.write(b";")
        self._stream.close()
