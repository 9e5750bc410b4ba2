"""The header of a TIA series (.ser) and the XML in an .emi, checked before RosettaSciIO reads them.

RosettaSciIO takes memory for what the header promises; this compares the promise with the length of the file.
"""

from __future__ import annotations

import struct
from math import prod

from analysis.micrograph.picture import Request, broken, check_size, count_frames, not_a_picture
from emserve.exceptions import UnreadableMicrograph

_SPECTRA = 0x4120
_WIDE_OFFSETS = 0x0210  # series of a later version have offsets of 8 bytes
_PIXEL_BYTES = {1: 1, 2: 2, 3: 4, 4: 1, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 16}
_POSITION_TAG = 0x4142
_RECIPROCAL = 1e3  # a pixel that is larger in 'm' than this is one of a diffraction pattern, in 1/m

_MOST_OBJECTS = 64
_LONGEST_OBJECT = 2_000_000
_OPENING, _CLOSING = b"<ObjectInfo>", b"</ObjectInfo>"


def check_ser(data: bytes, request: Request) -> None:
    """Refuse a series that is broken, cut off, too large, or not of pictures in real space.

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
    step_x, step_y, width, height, picture_bytes = _element(data, first)
    check_size(width, height, request)
    picture_bytes += 24 if tag_kind == _POSITION_TAG else 8
    if frames * picture_bytes > len(data):
        raise broken("ser")
    if max(struct.unpack_from(f"<{frames}{offset}", data, table)) + picture_bytes > len(data):
        raise broken("ser")
    if max(abs(step_x), abs(step_y)) > _RECIPROCAL:
        raise UnreadableMicrograph(
            "The file holds a diffraction pattern (its pixel size is in 1/m).", remedy="Send a picture in real space."
        )


def _check_dimensions(data: bytes, at: int) -> None:
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


def _element(data: bytes, at: int) -> tuple[float, float, int, int, int]:
    """Pixel size in x and y in m, width, height, and bytes of one picture with its header."""
    step_x, step_y, pixel_type, width, height = struct.unpack_from("<8xd4x8xd4xHII", data, at)
    if pixel_type not in _PIXEL_BYTES or min(width, height) < 1:
        raise broken("ser")
    return step_x, step_y, width, height, 50 + width * height * _PIXEL_BYTES[pixel_type]


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
