"""A video, a stack or a folder of frames → `Micrograph` after `Micrograph`, each read when it is asked for."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from analysis.micrograph import archive, digitalmicrograph, npy, streaming, tia, video
from analysis.micrograph.micrograph import (
    MAX_PIXELS,
    Micrograph,
    assembled,
    checked_pixel_size,
    companion_of,
    known_errors,
    read_bytes,
)
from analysis.micrograph.picture import Picture, Request, broken
from analysis.micrograph.sniff import VIDEOS, is_panta_rhei, is_zip, sniff
from emserve.exceptions import EmptyBody, EmserveError, TooLarge, UnreadableMicrograph
from emserve.frame_files import frame_files
from emserve.results import Notice

MOST_FRAMES = 1_000_000
_WHOLE_FORMATS = {"png", "jpeg", "bmp", "prz", "emi", "bcf", "sur", "unf", "jeol", "elid"}  # of a few pictures at most
_MOST_BYTES_PER_PIXEL = 8
_MOST_OTHER_BYTES = 64_000_000  # of a file beside its picture

PixelSize = float | tuple[float, float] | None


def read_frames(
    path: str | Path, *, pixel_size_nm: PixelSize = None, max_pixels: int = MAX_PIXELS
) -> Generator[Micrograph, None, None]:
    """All frames of a file or a folder, one after the other; memory does not grow with their number.

    Each frame says its number, from 0, and how many there are, as far as that is known before the end. A single picture
    is a stack of one, with a notice. A frame that shows nothing, all of one grey value, is a frame. Frames need not be
    of one size here. The next frame may be asked for from another thread; closing the generator frees all it holds.

    path: a video (MP4, MOV, AVI, MKV, WebM), a stack of any format that `read` reads, a ZIP of pictures or an NPZ,
        recognised by content; or a folder. Pictures come in the natural order of their names, `frame_9` before
        `frame_10`; of a folder those with the endings of pictures.
    pixel_size_nm: of one pixel, or of its (x, y); wins over what the file says.
    max_pixels: of one frame.

    Raises
    ------
    EmptyBody, UnsupportedFormat, UnreadableMicrograph, TooLarge, InvalidParameter, MissingDependency: at the frame
        that they are about, behind those before it; where a file is cut off, `UnreadableMicrograph`. What says where
        the frames are comes last in HDF5, DigitalMicrograph, ZIP and most MP4 files: of these none is read then.
    OSError: no such file or folder, or not readable.
    """
    path = Path(path)
    number = 0
    try:
        argument = checked_pixel_size(pixel_size_nm)
        request = Request(0, max_pixels, partial=True)
        source = _folder(path, argument, request) if path.is_dir() else _file(path, argument, request)
        with closing(source) as micrographs:
            for micrograph in micrographs:
                if number >= MOST_FRAMES:
                    raise TooLarge(f"There are more than {MOST_FRAMES} frames.", remedy="Send the video in parts.")
                yield replace(micrograph, notices=(*micrograph.notices, *_alone(micrograph)))
                number += 1
    except EmserveError as error:
        if not number:
            raise
        raise type(error)(
            f"Frame {number} (from 0): {error.message}", remedy=error.remedy, field=error.field
        ) from error


def _with_own_pixels(micrograph: Micrograph) -> Micrograph:
    """A frame that stays when the file it was mapped from is closed."""
    return micrograph if micrograph.pixels.flags.writeable else replace(micrograph, pixels=micrograph.pixels.copy())


def _alone(micrograph: Micrograph) -> tuple[Notice, ...]:
    if micrograph.frames > 1 or micrograph.frame:
        return ()
    message = "There is one frame only, so nothing can be said of motion."
    return (Notice(code="single_frame", message=message, remedy="Send a video or a stack of several frames."),)


def _folder(path: Path, argument: tuple[float, float] | None, request: Request) -> Generator[Micrograph, None, None]:
    files = frame_files(path)
    if not files:
        raise UnreadableMicrograph(
            f"The folder {path.name} holds no pictures.",
            remedy="Pass a folder of frames as PNG, TIFF, JPEG, NPY or a microscope's files.",
        )

    for number, file in enumerate(files):
        with _named(file.name):
            alone = replace(request, companion=companion_of(file), partial=False)
            micrograph = _single(read_bytes(file.read_bytes(), argument, alone, blank=len(files) > 1))
        yield replace(micrograph, frame=number, frames=len(files))


def _file(path: Path, argument: tuple[float, float] | None, request: Request) -> Generator[Micrograph, None, None]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if not file.tell():
            raise EmptyBody("The file has no bytes.", remedy="Send the bytes of a video or of a stack.")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with _forgotten(mapped) as data:
        if is_zip(data) and not is_panta_rhei(data):
            yield from _archive(path, argument, request, sha256)
            return
        format = sniff(data)
        if format in _WHOLE_FORMATS:
            yield from _whole(data, argument, request)
            return
        for micrograph in _each(_pictures(path, data, format, request), format, argument, sha256):
            yield _with_own_pixels(micrograph)
            _let_go(data)


def _each(
    pictures: Generator[Picture, None, None], format: str, argument: tuple[float, float] | None, sha256: str
) -> Generator[Micrograph, None, None]:
    """Pictures as micrographs; a library's errors as ours."""
    with closing(pictures):
        for number in count():
            with known_errors(format):
                picture = next(pictures, None)
                if picture is None:
                    if not number:
                        raise broken(format)
                    return
                blank = picture.frames > 1
                micrograph = assembled(picture, argument, frame=number, format=format, sha256=sha256, blank=blank)
            yield micrograph


def _pictures(path: Path, data: mmap.mmap, format: str, request: Request) -> Generator[Picture, None, None]:
    """The frames of a file whose format is known, the easy formats in this process."""
    if format == "npy":
        yield from _while_there_are(lambda frame: npy.read(data, replace(request, frame=frame)))
    elif format == "mrc":
        from analysis.micrograph import mrc

        yield from _while_there_are(lambda frame: mrc.read(data, replace(request, frame=frame)))
    elif format == "ser":
        stack = tia.stack(data, request)
        yield from _while_there_are(lambda frame: stack.picture(replace(request, frame=frame)))
    elif format == "tiff":
        import tifffile

        from analysis.micrograph import tiff

        with tifffile.TiffFile(path, is_ome=False) as tif, closing(_Pages(path, request)) as pages:
            opened = tiff.opened(tif, data, request, pages.read)
            yield from _while_there_are(lambda frame: opened.picture(replace(request, frame=frame)))
    else:
        if format in VIDEOS:
            video.check_installed()
        elif format in ("dm3", "dm4"):
            digitalmicrograph.check(data, request)
        yield from streaming.frames(path, request, format)


def _while_there_are(picture: Callable[[int], Picture]) -> Iterator[Picture]:
    number, frames = 0, 1
    while number < frames:
        found = picture(number)
        number, frames = number + 1, found.frames
        yield found
        del found


class _Pages:
    """Pages of a TIFF that Pillow unpacks in a child process, which starts with the first and reads them in order."""

    def __init__(self, path: Path, request: Request) -> None:
        self._pages = enumerate(pages := streaming.frames(path, request, "tiff"))
        self.close = pages.close

    def read(self, index: int) -> np.ndarray:
        for number, picture in self._pages:
            if number == index:
                return picture.pixels
        raise broken("tiff")


def _whole(data: mmap.mmap, argument: tuple[float, float] | None, request: Request) -> Iterator[Micrograph]:
    """The frames of a format of which files are small: all of it is in memory."""
    most = _MOST_BYTES_PER_PIXEL * request.max_pixels + _MOST_OTHER_BYTES
    if len(data) > most:
        raise TooLarge(f"The file has {len(data)} bytes; {most} are taken of its kind.", remedy="Crop it or bin it.")
    content, number, frames = data[:], 0, 1
    while number < frames:
        micrograph = read_bytes(content, argument, replace(request, frame=number))
        yield micrograph
        number, frames = number + 1, micrograph.frames


def _archive(
    path: Path, argument: tuple[float, float] | None, request: Request, sha256: str
) -> Generator[Micrograph, None, None]:
    with closing(archive.Archive(path, request)) as files:
        if files.is_array:
            yield from _each(files.arrays(), "npz", argument, sha256)
            return
        for number in range(len(files)):
            with _named(files.name(number)):
                alone = replace(request, partial=False)
                micrograph = _single(read_bytes(files.read(number), argument, alone, blank=len(files) > 1))
            yield replace(micrograph, frame=number, frames=len(files), sha256=sha256)


def _single(micrograph: Micrograph) -> Micrograph:
    """A frame that has a file of its own. Raises UnreadableMicrograph for a stack."""
    if micrograph.frames > 1:
        raise UnreadableMicrograph(
            f"It is a stack of {micrograph.frames} frames itself.", remedy="Send this file alone, not among others."
        )
    return micrograph


@contextmanager
def _named(name: str) -> Iterator[None]:
    """What is wrong with a file among others is said with its name."""
    try:
        yield
    except EmserveError as error:
        raise type(error)(f"{name}: {error.message}", remedy=error.remedy, field=error.field) from error


@contextmanager
def _forgotten(mapped: mmap.mmap) -> Iterator[mmap.mmap]:
    try:
        yield mapped
    finally:
        with suppress(BufferError):  # an error's traceback may still hold a frame; it goes with it
            mapped.close()


def _let_go(mapped: mmap.mmap) -> None:
    """Take what was read of the file out of this process's memory; it stays on the disk."""
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
