"""NumPy's NPY. It carries no pixel size."""

from __future__ import annotations

import re
from math import prod

import numpy as np

from analysis.micrograph.picture import (
    MIN_SIDE_PX,
    SEND_A_PICTURE,
    Content,
    Picture,
    Request,
    broken,
    check_frame,
    check_size,
    count_frames,
    not_a_picture,
)
from emserve.exceptions import UnreadableMicrograph

# What numpy.save writes for an array of one type; anything else is not a picture. It is matched, never evaluated.
_HEADER = re.compile(
    rb"""\{'descr': '([<>|=][?biufcOSUVMm]\d*)', 'fortran_order': (True|False), 'shape': \(([\d, ]*)\),? ?\}\s*"""
)
_LONGEST_HEADER = 1 << 16


def read(data: Content, request: Request) -> Picture:
    """A picture (height, width), with 1, 3 or 4 colours last, or a stack of either along the first dimension."""
    dtype, shape, fortran, start = header(data)
    colours = picture_dimensions(shape)
    frames = count_frames(shape[:-colours])
    height, width = shape[-colours:][:2]
    check_size(width, height, request)
    check_frame(frames, request)
    count = prod(shape[-colours:])
    needed = request.frame + 1 if request.partial and not fortran else frames
    if len(data) - start < needed * count * dtype.itemsize:
        raise broken("NPY")
    if not fortran:
        pixels = np.frombuffer(data, dtype, count, start + request.frame * count * dtype.itemsize)
        return Picture(pixels.reshape(shape[-colours:]), frames)
    array = np.frombuffer(data, dtype, frames * count, start).reshape(shape[::-1]).T
    return Picture(array[np.unravel_index(request.frame, shape[:-colours])], frames)


def picture_dimensions(shape: tuple[int, ...]) -> int:
    """How many dimensions, from the last, one picture has: 2, or 3 with colours. Raises UnreadableMicrograph."""
    colours = 3 if len(shape) >= 3 and shape[-1] in (1, 3, 4) and min(shape[-3:-1]) > 4 else 2
    if len(shape) < colours:
        raise UnreadableMicrograph(f"The NPY file holds data of {len(shape)} dimensions.", remedy=SEND_A_PICTURE)
    if len(shape) == 3 and shape[-1] < MIN_SIDE_PX <= min(shape[:2]) and colours == 2:
        raise UnreadableMicrograph(
            f"The NPY file holds {shape[1]} × {shape[0]} pixels of {shape[2]} channels each; 1, 3 or 4 are read.",
            remedy="Save one channel: numpy.save(path, array[..., 0]).",
        )
    return colours


def header(data: Content) -> tuple[np.dtype, tuple[int, ...], bool, int]:
    """Type, shape, whether the first axis runs fastest (as in Fortran), and where the numbers begin."""
    length_bytes = 2 if data[6:7] == b"\x01" else 4
    length = int.from_bytes(data[8 : 8 + length_bytes], "little")
    start = 8 + length_bytes + length
    found = _HEADER.fullmatch(data[8 + length_bytes : start]) if length <= _LONGEST_HEADER else None
    if not found:
        beginning = data[: min(start, _LONGEST_HEADER)]
        if b"}" not in beginning:
            raise broken("NPY")
        fields = b"'descr': [" in beginning
        raise not_a_picture("an array with named fields" if fields else "an array of something else than numbers")
    if found[1][1:2] == b"O":
        raise UnreadableMicrograph(
            "The NPY file holds pickled Python objects, which are never opened.",
            remedy="Save a plain array of numbers: numpy.save(path, picture.astype('float32')).",
        )
    dtype = np.dtype(found[1].decode())
    if dtype.kind not in "biufc":
        raise not_a_picture("an array of something else than numbers")
    shape = tuple(int(size) for size in found[3].replace(b" ", b"").split(b",") if size)
    return dtype, shape, found[2] == b"True", start
