"""TIFF and BigTIFF, of any depth, with what microscopes and ImageJ write into it."""

from __future__ import annotations

import io
import logging
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from math import prod
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import tifffile
from PIL import TiffImagePlugin

from analysis.micrograph import isolation
from analysis.micrograph.picture import (
    Content,
    Picture,
    Request,
    Stack,
    broken,
    check_size,
    count_frames,
    several_pictures,
)
from analysis.micrograph.raster import pixels_of
from analysis.micrograph.tiff_calibration import frame_time_s, scales_of
from emserve.exceptions import UnreadableMicrograph
from emserve.results import Notice

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # it logs what it raises as well, with tracebacks

_DEFLATE = {tifffile.COMPRESSION.ADOBE_DEFLATE, tifffile.COMPRESSION.DEFLATE}
_PAGES = {"YX", "YXS", "SYX"}  # of one picture: rows, columns, and samples (colours) before or after
_MOST_PAGES = 100_000
_LARGEST_TILE = 1 << 22  # pixels; a tile may be larger than a small picture


def read(data: bytes, request: Request) -> Picture:
    """A picture, or one of a stack: pages of a kind, or the slices of an ImageJ stack."""
    # OME is read as plain pages: its series may name other files, which are never opened.
    with tifffile.TiffFile(io.BytesIO(data), is_ome=False) as tif:
        return opened(tif, data, request, partial(_with_pillow, data, request)).picture(request)


def opened(tif: tifffile.TiffFile, data: Content, request: Request, unpacked: Callable[[int], np.ndarray]) -> Stack:
    """All frames of a file that is open. unpacked: reads a page, by its index, of a compression left to Pillow."""
    intact = _has_all_pages(data)
    if not intact and not request.partial:
        raise broken("TIFF")
    pages, notices = _largest(tif) if intact else (_every(tif, cut=True), ())
    if request.partial and notices and len(tif.pages) > 2:  # a stack of different pictures, not one with a thumbnail
        pages, notices = _every(tif, cut=False), ()
    page = pages.key
    check_size(page.imagewidth, page.imagelength, request)
    if page.samplesperpixel > 4:
        raise UnreadableMicrograph(
            f"The TIFF file has {page.samplesperpixel} channels per pixel; at most 4 are read.",
            remedy="Save one channel as a picture, or the channels as a stack.",
        )
    if prod(page.chunks) > 4 * prod(page.shape) + _LARGEST_TILE:
        raise broken("TIFF")

    def pixels(frame: int) -> np.ndarray:
        if pages.offset is not None:
            found = _contiguous(data, tif.byteorder, pages.offset, page, frame)
        else:
            found = _paged(data, pages, frame, unpacked)
        if page.axes == "SYX" and found.shape == page.shape:  # Pillow puts the samples last by itself
            found = np.moveaxis(found, 0, -1)
        if page.photometric == tifffile.PHOTOMETRIC.SEPARATED and found.shape[2:] != (3,):  # Pillow makes RGB of it
            found = _from_inks(found)
        return found

    scale_x, scale_y = scales_of(tif, page)
    return Stack(pixels, pages.frames, scale_x, scale_y, notices, frame_time_s=frame_time_s(tif))


class _Pages(NamedTuple):
    """The pages that are frames: where the first begins if one follows the other without a gap, and what they are."""

    key: tifffile.TiffPage
    frames: int
    offset: int | None
    page: Callable[[int], tifffile.TiffPage | tifffile.TiffFrame | None]


def _largest(tif: tifffile.TiffFile) -> tuple[_Pages, tuple[Notice, ...]]:
    """The series of pages with the largest pictures; the smaller ones are thumbnails, or a notice names the choice."""
    pictures = [s for s in tif.series if s.keyframe.axes in _PAGES and s.axes.endswith(s.keyframe.axes)]
    if not pictures:
        raise UnreadableMicrograph(
            f"The TIFF file holds data with the axes {tif.series[0].axes}.",
            remedy="Save one picture, or a stack of them.",
        )
    series = max(pictures, key=lambda s: s.keyframe.imagewidth * s.keyframe.imagelength)
    page = series.keyframe
    frames = count_frames(series.shape[: len(series.shape) - len(page.shape)])
    pages = _Pages(page, frames, series.dataoffset, lambda frame: series.pages[frame])
    others = [s for s in pictures if s is not series and not s.keyframe.is_reduced]
    if not others:
        return pages, ()
    taken = f"page {page.index + 1} of {page.imagewidth} × {page.imagelength} pixels"
    return pages, (several_pictures(len(others) + 1, taken),)


def _every(tif: tifffile.TiffFile, *, cut: bool) -> _Pages:
    """All pages as they come; of a file that is cut off as many as were announced, or one more than are found."""
    page, found = tif.pages.first, len(tif.pages)
    announced = _announced(tif) if cut else 0
    if announced and page.is_contiguous:
        return _Pages(page, announced, page.dataoffsets[0], lambda frame: None)
    return _Pages(page, max(found + cut, announced), None, lambda frame: tif.pages[frame] if frame < found else None)


def _announced(tif: tifffile.TiffFile) -> int:
    """The number of frames that ImageJ or tifffile wrote into the first page; 0 where neither did."""
    if tif.is_imagej:
        return int((tif.imagej_metadata or {}).get("images", 0))
    shapes = [entry["shape"] for entry in tif.shaped_metadata or () if "shape" in entry]
    page = tif.pages.first
    return prod(shapes[0]) // prod(page.shape) if shapes else 0


def _has_all_pages(data: Content) -> bool:
    """Follow the chain of pages once, cheaply: False where the file ends before it does.

    A loop and a flood of empty pages are refused.
    """
    order: Literal["little", "big"] = "little" if data[:1] == b"I" else "big"
    big = data[2:4] in (b"+\0", b"\0+")
    width, count_bytes, entry = (8, 8, 20) if big else (4, 2, 12)

    def number(at: int, size: int) -> int:
        if at + size > len(data):
            raise EOFError
        return int.from_bytes(data[at : at + size], order)

    seen: set[int] = set()
    try:
        at = number(8 if big else 4, width)
        while at:
            if at in seen or len(seen) >= _MOST_PAGES:
                raise broken("TIFF")
            seen.add(at)
            at = number(at + count_bytes + entry * number(at, count_bytes), width)
    except EOFError:
        return False
    return True


def _contiguous(data: Content, order: str, offset: int, page: tifffile.TiffPage, frame: int) -> np.ndarray:
    """Uncompressed pixels that lie in one piece: only the frame that is asked for is touched."""
    dtype = np.dtype(page.dtype).newbyteorder(order)  # type: ignore[arg-type]
    count = prod(page.shape)
    start = offset + frame * count * dtype.itemsize
    if start + count * dtype.itemsize > len(data):
        raise broken("TIFF")
    return _as_shown(np.frombuffer(data, dtype, count, start).reshape(page.shape), page)


def _paged(data: Content, pages: _Pages, frame: int, unpacked: Callable[[int], np.ndarray]) -> np.ndarray:
    """Strips or tiles, compressed or not."""
    page, key = pages.page(frame), pages.key
    if isinstance(page, tifffile.TiffPage) and page.shape != key.shape:
        sizes = [f"{one.imagewidth} × {one.imagelength}" for one in (page, key)]
        raise UnreadableMicrograph(
            f"The picture has {sizes[0]} pixels, the first has {sizes[1]}.",
            remedy="Send frames of one size, or each size as a stack of its own.",
        )
    if page is None or len(page.dataoffsets) != len(page.databytecounts):
        raise broken("TIFF")
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not segments or any(size <= 0 or start + size > len(data) for start, size in segments):
        raise broken("TIFF")
    if key.compression == tifffile.COMPRESSION.NONE:
        if sum(size for _, size in segments) * 8 < prod(key.shape) * key.bitspersample:
            raise broken("TIFF")
    elif key.compression in _DEFLATE:
        _check_deflate(data, segments, prod(key.chunks) * np.dtype(key.dtype).itemsize)
    else:
        if key.bitspersample > 8 and key.samplesperpixel > 1:  # of which Pillow keeps 8 bit
            raise _compressed(key)
        return unpacked(page.index)
    return _as_shown(page.asarray(), key)


def _with_pillow(data: bytes, request: Request, index: int) -> np.ndarray:
    return isolation.read(data, replace(request, frame=index), "tiff").pixels


def _check_deflate(data: Content, segments: Sequence[tuple[int, int]], most: int) -> None:
    """Refuse a segment that unpacks to more than its share of the picture: zlib itself has no limit."""
    for start, size in segments:
        stream = zlib.decompressobj()
        stream.decompress(data[start : start + size], most)
        if stream.unconsumed_tail and stream.decompress(stream.unconsumed_tail, 1):
            raise broken("TIFF")


def read_with_pillow(path: Path, request: Request) -> Picture:
    """The page that is the request's frame, of any compression that libtiff knows; called in the child process.

    libtiff writes its complaints about broken files straight to the standard error of the process.
    """
    with _opened_by_pillow(path) as image:
        image.seek(request.frame)
        check_size(*image.size, request)
        return Picture(pixels_of(image))


def pages_with_pillow(path: Path, request: Request) -> Iterator[Picture]:
    """All pages, as `read_with_pillow` reads one."""
    with _opened_by_pillow(path) as image:
        for page in count():
            try:
                image.seek(page)
            except EOFError:
                return
            check_size(*image.size, request)
            yield Picture(pixels_of(image))


@contextmanager
def _opened_by_pillow(path: Path) -> Iterator[TiffImagePlugin.TiffImageFile]:
    try:
        with TiffImagePlugin.TiffImageFile(path) as image:
            yield image
    except (SyntaxError, KeyError):  # a depth that Pillow does not know
        with tifffile.TiffFile(path, is_ome=False) as tif:
            raise _compressed(tif.pages.first) from None


def _compressed(page: tifffile.TiffPage) -> UnreadableMicrograph:
    return UnreadableMicrograph(
        f"TIFF compression {int(page.compression)} of {page.bitspersample} bit pixels is not read.",
        remedy="Save the TIFF without compression.",
    )


def _from_inks(stored: np.ndarray) -> np.ndarray:
    """Cyan, magenta, yellow and black, of which 0 is no ink → red, green and blue."""
    if stored.ndim != 3 or stored.shape[2] != 4 or stored.dtype.kind != "u":
        raise UnreadableMicrograph(
            "The TIFF file holds amounts of inks, not of light.", remedy="Save the TIFF in grey values or RGB."
        )
    full = np.iinfo(stored.dtype).max
    light = np.empty((*stored.shape[:2], 3), np.float32)
    for channel in range(3):
        light[..., channel] = (full - stored[..., channel]) * ((full - stored[..., 3]) / np.float32(full))
    return light


def _as_shown(stored: np.ndarray, page: tifffile.TiffPage) -> np.ndarray:
    """The grey values that a viewer shows: 0 may stand for white, and a number for a colour of a palette."""
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        return ~stored if stored.dtype.kind in "bu" else -stored
    if page.photometric == tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None and not page.is_imagej:
        return np.moveaxis(page.colormap[:, stored] // 257, 0, -1)  # a colour map has 16 bit
    return stored
