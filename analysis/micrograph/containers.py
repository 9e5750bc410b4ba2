"""The outermost structure of a video file: whether it ends before it should.

Decoders come to the end of a file that is cut off as they come to any other end, without a word.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

_MOST_BOXES = 100_000
_SEGMENT = b"\x18\x53\x80\x67"


def is_cut_off(path: Path, format: str) -> bool:
    """Whether a part of the file should reach beyond its end. format: 'mp4', 'avi' or 'mkv'."""
    check = {"mp4": _iso_media, "avi": _riff, "mkv": _matroska}[format]
    with path.open("rb") as file:
        return check(file, os.fstat(file.fileno()).st_size)


def _iso_media(file: BinaryIO, size: int) -> bool:
    """Boxes of a length and a name, one behind the other (ISO/IEC 14496-12, 4.2)."""
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        if len(head) < 8 or not name.isascii() or length == 0:  # the end, something else behind it, or 'to the end'
            return 0 < len(head) < 8
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8 or at + length > size:
            return length >= 8
        at += length
    return False


def _riff(file: BinaryIO, size: int) -> bool:
    """Lists of a name and a length; a length of 0 was never filled in."""
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:8], "little")
        if len(head) < 8 or head[:4] != b"RIFF" or length in (0, 0xFFFFFFFF):
            return False
        at += 8 + length + length % 2
        if at > size + 1:
            return True
    return False


def _matroska(file: BinaryIO, size: int) -> bool:
    """A header, then a segment, whose length is unknown where it was streamed (RFC 8794)."""
    file.seek(4)
    _, header = _length(file)
    file.seek(file.tell() + header)
    if file.read(4) != _SEGMENT:
        return False
    known, length = _length(file)
    return known and file.tell() + length > size


def _length(file: BinaryIO) -> tuple[bool, int]:
    """A number whose leading zero bits say how many bytes it has, and whether it is known."""
    first = file.read(1)
    if not first or not first[0]:
        return False, 0
    count = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(count - 1), "big") & ((1 << 7 * count) - 1)
    return value != (1 << 7 * count) - 1, value
