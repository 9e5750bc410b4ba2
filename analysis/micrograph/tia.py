"""The header of a TIA series (.ser) and the XML in an .emi, checked before RosettaSciIO reads them.

RosettaSciIO takes memory for what the header promises; this compares the promise with the length of the file.
"""

from __future__ import annotations

import struct
from math import prod

import numpy as np

from analysis.micrograph.picture import (
    Content,
    Request,
    Scale,
    Stack,
    broken,
    check_size,
    count_frames,
    not_a_picture,
)
from emserve.exceptions import UnreadableMicrograph

_SPECTRA = 0x4120
_WIDE_OFFSETS = 0x0210  # series of a later version have offsets of 8 bytes
_PIXELS = {1: "u1", 2: "u2", 3: "u4", 4: "i1", 5: "i2", 6: "i4", 7: "f4", 8: "f8", 9: "c8", 10: "c16"}
_HEAD_BYTES = 50  # of one picture
_POSITION_TAG = 0x4142
_RECIPROCAL = 1e3  # a pixel that is larger in 'm' than this is one of a diffraction pattern, in 1/m

_MOST_OBJECTS = 64
_LONGEST_OBJECT = 2_000_000
_OPENING, _CLOSING = b"<ObjectInfo>", b"</ObjectInfo>"


def stack(data: Content, request: Request) -> Stack:
    """All frames of a series, read here: RosettaSciIO would read all of them into memory."""
    offsets = check_ser(data, request)
    step_x, step_y, pixel_type, width, height = _element(data, offsets[0])

    def pixels(frame: int) -> np.ndarray:
        if _element(data, offsets[frame])[2:] != (pixel_type, width, height):
            raise broken("ser")
        found = np.frombuffer(
            data, np.dtype(_PIXELS[pixel_type]).newbyteorder("<"), width * height, offsets[frame] + _HEAD_BYTES
        )
        return found.reshape(height, width)[::-1]  # the file begins with the lowest row

    return Stack(pixels, len(offsets), Scale(abs(step_x), "m"), Scale(abs(step_y), "m"))


def check_ser(data: Content, request: Request) -> tuple[int, ...]:
    """Refuse a series that is broken, cut off, too large, or not of pictures in real space; where its frames begin.

    The calibration is always said to be in m; from its size alone a diffraction pattern can be told.
    """
    series_version, kind, tag_kind, _, frames = struct.unpack_from("<2xHIIII", data, 2)
    if kind == _SPECTRA:
        raise not_a_picture("spectra")
    offset = "I" if series_version <= _WIDE_OFFSETS else "Q"
    (table,) = struct.unpack_from(f"<{offset}", data, 22)
    _check_dimensions(data, 22 + struct.calcsize(f"<{offset}"))
    if frames < 1 or table + frames * struct.calcsize(f"<{offset}") > len(data):
        raise broken("ser")
    (first,) = struct.unpack_from(f"<{offset}", data, table)
    step_x, step_y, pixel_type, width, height = _element(data, first)
    check_size(width, height, request)
    picture_bytes = _HEAD_BYTES + width * height * np.dtype(_PIXELS[pixel_type]).itemsize
    picture_bytes += 24 if tag_kind == _POSITION_TAG else 8
    offsets = struct.unpack_from(f"<{frames}{offset}", data, table)
    if not request.partial and max(frames * picture_bytes, max(offsets) + picture_bytes) > len(data):
        raise broken("ser")
    if max(abs(step_x), abs(step_y)) > _RECIPROCAL:
        raise UnreadableMicrograph(
            "The file holds a diffraction pattern (its pixel size is in 1/m).", remedy="Send a picture in real space."
        )
    return offsets


def _check_dimensions(data: Content, at: int) -> None:
    (count,) = struct.unpack_from("<I", data, at)
    at += 4
    sizes = []
    for _ in range(count):
        sizes.append(struct.unpack_from("<I", data, at)[0])
        at += 24
        for _ in range(2):  # description and units
            at += 4 + struct.unpack_from("<I", data, at)[0]
    count_frames(sizes)
    if at > len(data) or prod(sizes) > len(data):
        raise broken("ser")


def _element(data: Content, at: int) -> tuple[float, float, int, int, int]:
    """Pixel size in x and y in m, type of the pixels, width and height of one picture."""
    step_x, step_y, pixel_type, width, height = struct.unpack_from("<8xd4x8xd4xHII", data, at)
    if pixel_type not in _PIXELS or min(width, height) < 1:
        raise broken("ser")
    return step_x, step_y, pixel_type, width, height


def check_emi(data: bytes) -> None:
    """Refuse an .emi whose XML is cut off, or is there to fill the memory: RosettaSciIO copies from every opening."""
    if data.count(_OPENING) > _MOST_OBJECTS:
        raise broken("emi")
    at = data.find(_OPENING)
    while at >= 0:
        end = data.find(_CLOSING, at)
        if end < 0 or end - at > _LONGEST_OBJECT or b"<!" in data[at:end]:
            raise broken("emi")
        at = data.find(_OPENING, at + 1)
