"""Bytes → `Micrograph`: the one way in for every picture, from the service, the benchmarks and the notebooks."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from numbers import Real
from pathlib import Path

import numpy as np

from analysis.micrograph.picture import Picture, Request, broken
from analysis.micrograph.pixels import plain
from analysis.micrograph.sniff import VIDEOS, sniff
from analysis.micrograph.units import MAX_ASPECT, calibrate, is_plausible
from emserve.exceptions import EmptyBody, EmserveError, InvalidParameter, TooLarge
from emserve.results import MicrographInfo, Notice, PixelSizeSource

MAX_PIXELS = 64_000_000
DISAGREEMENT = 0.05  # of the pixel size: more than this between argument and file is worth a word


@dataclass(frozen=True, eq=False)
class Micrograph:
    """A picture of a specimen in real space.

    pixels: (height, width), float32, finite, in the file's own units.
    pixel_size_x_nm, pixel_size_y_nm: None where neither the caller nor the file gives one.
    pixel_size_source: 'argument', 'file' or 'none'.
    frames, frame: number of frames in the file, and the one that this is, from 0.
    format: recognised by content, e.g. 'png', 'dm4', 'emd'.
    sha256: of the file's bytes.
    notices: what the user should know about the reading.
    frame_time_s: from one frame to the next by the file, None where it does not say or the times differ.
    """

    pixels: np.ndarray
    pixel_size_x_nm: float | None = None
    pixel_size_y_nm: float | None = None
    pixel_size_source: PixelSizeSource = "none"
    frames: int = 1
    frame: int = 0
    format: str = "array"
    sha256: str = ""
    notices: tuple[Notice, ...] = ()
    frame_time_s: float | None = None

    def info(self) -> MicrographInfo:
        """What an answer says about the picture."""
        height, width = self.pixels.shape
        return MicrographInfo(
            width_px=width,
            height_px=height,
            frames=self.frames,
            frame=self.frame,
            pixel_size_x_nm=self.pixel_size_x_nm,
            pixel_size_y_nm=self.pixel_size_y_nm,
            pixel_size_source=self.pixel_size_source,
            format=self.format,
            sha256=self.sha256,
        )


def read(
    data: bytes,
    *,
    pixel_size_nm: float | tuple[float, float] | None = None,
    frame: int | None = None,
    max_pixels: int = MAX_PIXELS,
    companion: bytes | None = None,
) -> Micrograph:
    """Read a micrograph from the bytes of its file.

    data: of any format that `sniff` knows.
    pixel_size_nm: of one pixel, or of its (x, y); wins over what the file says.
    frame: of a stack, from 0; without it the first, with a notice where there are more.
    max_pixels: more in one frame are refused, by the header alone.
    companion: the .emi of a .ser or the other way round; TIA splits a micrograph into the two.

    Raises
    ------
    EmptyBody, UnsupportedFormat, UnreadableMicrograph, TooLarge, InvalidParameter, MissingDependency: and no other.
    """
    argument = checked_pixel_size(pixel_size_nm)
    request = Request(0 if frame is None else _checked_frame(frame), max_pixels, companion)
    micrograph = read_bytes(bytes(data), argument, request)
    if frame is None and micrograph.frames > 1:
        micrograph = replace(micrograph, notices=(*micrograph.notices, _first_of(micrograph.frames)))
    return micrograph


def read_bytes(
    data: bytes, argument: tuple[float, float] | None, request: Request, *, blank: bool = False
) -> Micrograph:
    """As `read`, of a pixel size and a frame that were checked; blank: a picture of one grey value will do."""
    if not data:
        raise EmptyBody("The file has no bytes.", remedy="Send the bytes of a micrograph.")
    format = sniff(data)
    with known_errors(format):
        picture = _reader(format)(data, request)
        sha256 = hashlib.sha256(data).hexdigest()
        return assembled(picture, argument, frame=request.frame, format=format, sha256=sha256, blank=blank)


@contextmanager
def known_errors(format: str) -> Iterator[None]:
    """Makes an `EmserveError` of whatever a library raises on a broken file."""
    try:
        yield
    except EmserveError:
        raise
    except MemoryError as error:
        raise TooLarge("The file needs more memory than there is.", remedy="Crop it or bin it.") from error
    except Exception as error:  # libraries raise anything at all on a broken file
        raise broken(format) from error


def assembled(
    picture: Picture,
    argument: tuple[float, float] | None,
    *,
    frame: int,
    format: str,
    sha256: str,
    blank: bool = False,
) -> Micrograph:
    """What a reader found as a micrograph. argument: the pixel size that was passed; blank: one grey value will do."""
    pixels, notices = plain(picture.pixels, blank=blank)
    size_nm, more = calibrate(picture.scale_x, picture.scale_y)
    source: PixelSizeSource = "file" if size_nm else "none"
    if argument:
        more = _disagreement(argument, size_nm)
        size_nm, source = argument, "argument"
    return Micrograph(
        pixels=pixels,
        pixel_size_x_nm=size_nm[0] if size_nm else None,
        pixel_size_y_nm=size_nm[1] if size_nm else None,
        pixel_size_source=source,
        frames=picture.frames,
        frame=frame,
        format=picture.format or format,
        sha256=sha256,
        notices=(*picture.notices, *notices, *more),
        frame_time_s=picture.frame_time_s,
    )


def read_file(
    path: str | Path,
    *,
    pixel_size_nm: float | tuple[float, float] | None = None,
    frame: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Micrograph:
    """Read a micrograph from a file, with the .ser or .emi beside it; otherwise as `read`.

    Raises
    ------
    OSError: no such file, or not readable. Otherwise as `read`.
    """
    path = Path(path)
    return read(
        path.read_bytes(),
        pixel_size_nm=pixel_size_nm,
        frame=frame,
        max_pixels=max_pixels,
        companion=companion_of(path),
    )


def _reader(format: str) -> Callable[[bytes, Request], Picture]:
    """The function that reads a format; its module, and the library behind it, are imported when first needed."""
    module = _READERS.get(format, "formats")
    function = import_module(f"analysis.micrograph.{module}").read
    return partial(function, format=format) if module in ("raster", "video", "formats") else function


_READERS = {
    **dict.fromkeys(("png", "jpeg", "bmp"), "raster"),
    **dict.fromkeys(VIDEOS, "video"),
    **{name: name for name in ("tiff", "npy", "mrc")},
}


def companion_of(path: Path) -> bytes | None:
    """The bytes of the .ser of an .emi, or of the .emi of a .ser: TIA writes `name.emi` beside `name_1.ser`."""
    suffix = path.suffix.lower()
    if suffix == ".emi":
        candidates = [path.with_name(f"{path.stem}_1.ser"), path.with_suffix(".ser")]
    elif suffix == ".ser":
        candidates = [path.with_name(f"{path.stem.rpartition('_')[0]}.emi"), path.with_suffix(".emi")]
    else:
        return None
    return next((candidate.read_bytes() for candidate in candidates if candidate.is_file()), None)


def checked_pixel_size(given: float | tuple[float, float] | None) -> tuple[float, float] | None:
    """A pixel size that was passed, in x and y. Raises InvalidParameter for one that cannot be."""
    if given is None:
        return None
    sizes = tuple(given) if isinstance(given, tuple | list) else (given, given)
    if len(sizes) == 2 and all(isinstance(size, Real) and not isinstance(size, bool) for size in sizes):
        x_nm, y_nm = float(sizes[0]), float(sizes[1])
        if is_plausible(x_nm, y_nm):
            return x_nm, y_nm
        if is_plausible(x_nm, x_nm) and is_plausible(y_nm, y_nm):
            raise InvalidParameter(
                f"A pixel of {x_nm:g} × {y_nm:g} nm has sides that differ more than {MAX_ASPECT:g} times.",
                remedy="Pass both sides of one pixel in nm, or one number for square pixels.",
                field="pixel_size_nm",
            )
    texts = [f"{size:g}" if isinstance(size, float | int) else repr(size) for size in sizes]
    text = " × ".join(dict.fromkeys(texts)) if len(texts) == 2 else repr(given)
    raise InvalidParameter(
        f"{text} nm is not a valid pixel size.",
        remedy="Pass the size of one pixel in nm, for example 0.015 where atom columns are resolved, or leave it out.",
        field="pixel_size_nm",
    )


def _checked_frame(frame: int) -> int:
    if not isinstance(frame, int | np.integer) or isinstance(frame, bool) or frame < 0:
        raise InvalidParameter(f"{frame!r} is not a frame.", remedy="Pass a whole number from 0.", field="frame")
    return int(frame)


def _first_of(frames: int) -> Notice:
    return Notice(
        code="first_frame_only",
        message=f"The file holds {frames} frames; the first was taken.",
        remedy=f"Pass frame, from 0 to {frames - 1}; dislocation lines can be followed over all of them.",
    )


def _disagreement(argument: tuple[float, float], file: tuple[float, float] | None) -> tuple[Notice, ...]:
    if file is None or all(math.isclose(*pair, rel_tol=DISAGREEMENT) for pair in zip(argument, file, strict=True)):
        return ()
    return (
        Notice(
            code="pixel_size_overridden",
            message=f"The file says {_text(file)} nm per pixel; the {_text(argument)} nm that were passed were used.",
            remedy="Leave pixel_size_nm out to use the file's.",
        ),
    )


def _text(size_nm: tuple[float, float]) -> str:
    """One number for square pixels, x × y for others."""
    return " × ".join(dict.fromkeys(f"{size:.5g}" for size in size_nm))
