"""What a reader is asked for and what it hands over, and the checks that all readers share."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from emserve.exceptions import InvalidParameter, TooLarge, UnreadableMicrograph
from emserve.results import Notice

Content = bytes | mmap.mmap  # of a file: in memory, or on the disk for a stack that is read frame by frame

MIN_SIDE_PX = 8  # less than this shows neither a column nor a background


class Scale(NamedTuple):
    """The size of a pixel along one axis as a file gives it; `unit` is the file's own word for it."""

    value: float
    unit: str


@dataclass(frozen=True)
class Request:
    """What a reader needs beside the bytes.

    partial: a file may be cut off behind the frame; without it, one that is cut off anywhere is refused.
    """

    frame: int
    max_pixels: int
    companion: bytes | None = None
    partial: bool = False


@dataclass(frozen=True, eq=False)
class Picture:
    """One frame of a file.

    pixels: (height, width) or (height, width, 1 to 4 channels), of any real type, as stored.
    frames: number of frames in the file.
    scale_x, scale_y: the file's own calibration, None where it has none.
    format: the format's name where a reader knows it better than the first bytes do.
    frame_time_s: from one frame to the next by the file, None where it does not say or the times differ.
    """

    pixels: np.ndarray
    frames: int = 1
    scale_x: Scale | None = None
    scale_y: Scale | None = None
    notices: tuple[Notice, ...] = ()
    format: str | None = None
    frame_time_s: float | None = None


@dataclass(frozen=True, eq=False)
class Stack:
    """The frames of a file that is open, of which each is read when it is asked for.

    pixels: the number of a frame, from 0 → its pixels; they and all else are as in `Picture`.
    """

    pixels: Callable[[int], np.ndarray]
    frames: int = 1
    scale_x: Scale | None = None
    scale_y: Scale | None = None
    notices: tuple[Notice, ...] = ()
    format: str | None = None
    frame_time_s: float | None = None

    def picture(self, request: Request) -> Picture:
        """The frame that is asked for. Raises InvalidParameter for one that the file does not have."""
        check_frame(self.frames, request)
        return Picture(
            self.pixels(request.frame),
            self.frames,
            self.scale_x,
            self.scale_y,
            self.notices,
            self.format,
            self.frame_time_s,
        )


def check_size(width: int, height: int, request: Request) -> None:
    """Refuse a picture by the size in its header, before any memory is taken for it."""
    if width * height > request.max_pixels:
        raise TooLarge(
            f"The picture has {width} × {height} pixels; at most {request.max_pixels} are taken.",
            remedy="Crop it, bin it, or raise the limit of pixels.",
        )
    if width < MIN_SIDE_PX or height < MIN_SIDE_PX:
        raise UnreadableMicrograph(
            f"The picture has {width} × {height} pixels; both sides need at least {MIN_SIDE_PX}.",
            remedy="Send a larger picture.",
        )


def check_frame(frames: int, request: Request) -> None:
    """Refuse a frame that the file does not have."""
    if frames < 1:
        raise not_a_picture("no frame")
    if request.frame >= frames:
        has = "1 frame" if frames == 1 else f"{frames} frames"
        raise InvalidParameter(
            f"There is no frame {request.frame}: the file has {has}.",
            remedy=f"Pass a frame from 0 to {frames - 1}.",
            field="frame",
        )


def count_frames(leading: Sequence[int]) -> int:
    """The number of frames, from all dimensions but those of one picture; only one of them may be longer than 1."""
    longer = [int(size) for size in leading if size != 1]
    if len(longer) > 1:
        raise UnreadableMicrograph(
            f"The file holds data of {len(longer) + 2} dimensions ({' × '.join(map(str, longer))} pictures).",
            remedy="Save one picture, or a stack of pictures along one dimension.",
        )
    if 0 in longer:
        raise UnreadableMicrograph("The file holds no picture: one of its dimensions is 0.", remedy=SEND_A_PICTURE)
    return prod(longer)


def broken(name: str) -> UnreadableMicrograph:
    """The error for a file whose format is known but that cannot be read to its end."""
    return UnreadableMicrograph(f"The {name} file is broken or cut off.", remedy=SEND_AGAIN)


def not_a_picture(what: str) -> UnreadableMicrograph:
    """The error for a readable file that has no picture in it."""
    return UnreadableMicrograph(f"The file holds {what}, not a picture.", remedy=SEND_A_PICTURE)


def several_pictures(count: int, taken: str) -> Notice:
    """The notice for a file with more than one picture."""
    return Notice(
        code="several_pictures",
        message=f"The file holds {count} pictures; '{taken}' was read.",
        remedy="Export the wanted picture into a file of its own.",
    )


SEND_AGAIN = "Send the original file again; if another program opens it, save it there as an uncompressed TIFF."
SEND_A_PICTURE = "Send a micrograph: one picture in real space, or a stack of them."
