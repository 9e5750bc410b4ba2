"""The tags of a DigitalMicrograph file (dm3, dm4), walked once before RosettaSciIO reads them.

RosettaSciIO believes every length in the file and reads most tags one number at a time: a few changed bytes make it
loop or ask for gigabytes. This walk follows the same tree, in bounded time and without copying, and refuses a file
whose lengths do not fit into it or whose pictures are larger than allowed.
"""

from __future__ import annotations

import struct
from math import prod

from analysis.micrograph.picture import Content, Request, broken, check_size
from emserve.exceptions import UnreadableMicrograph

_BYTES = {2: 2, 3: 4, 4: 2, 5: 4, 6: 4, 7: 8, 8: 1, 9: 1, 10: 1, 11: 8, 12: 8}  # of a number, by its encoded type
_INTEGERS = {2: "h", 3: "i", 4: "H", 5: "I", 11: "q", 12: "Q"}
_STRUCT, _STRING, _ARRAY = 15, 18, 20
_PIXEL_BYTES = {1: 2, 2: 4, 3: 8, 6: 1, 7: 4, 8: 4, 9: 1, 10: 2, 11: 4, 12: 8, 13: 16, 14: 1, 23: 4, 27: 4, 28: 8}

# Far above what cameras and scan units write: a spectrum image has some 10,000 tags.
_MOST_TAGS = 100_000
_MOST_NUMBERS = 2_000_000  # outside of the pixels
_MOST_IMAGES = 64
_DEEPEST = 64
_LONGEST_NAME = 1024
_LONGEST_STRING = 65_536


def check(data: Content, request: Request) -> None:
    """Refuse a file that RosettaSciIO should not be given.

    Raises
    ------
    UnreadableMicrograph: broken, cut off, or a Fourier transform in a packed form that nothing reads well.
    TooLarge: a picture has more pixels than the request allows.
    """
    walk = _Walk(data)
    walk.group((), depth=0)
    if len(walk.images) > _MOST_IMAGES:
        raise broken(walk.name)
    for image in walk.images.values():
        _check_image(image, walk.name, request)


def _check_image(image: dict[str, int], name: str, request: Request) -> None:
    dimensions = [size for key, size in image.items() if key.startswith("Dimensions/")]
    pixel_bytes = _PIXEL_BYTES.get(image.get("DataType", 0))
    if image.get("DataType") == 5:
        raise UnreadableMicrograph(
            "The file holds a Fourier transform in packed form.", remedy="Send the picture in real space."
        )
    if pixel_bytes is None or not dimensions or min(dimensions) <= 0:
        raise broken(name)
    if len(dimensions) > 1 and dimensions[0] * dimensions[1] > request.max_pixels:
        check_size(dimensions[0], dimensions[1], request)
    if prod(dimensions) * pixel_bytes > image.get("bytes", 0):
        raise broken(name)


class _Walk:
    """A position in the file, and what was found of the pictures on the way to it."""

    def __init__(self, data: Content) -> None:
        self.data = data
        self.name = f"dm{data[3]}"
        self.wide = data[3] == 4
        self.at = 12 if self.wide else 8
        self.order = "<" if self.integer(4) else ">"
        self.tags = self.numbers = 0
        self.images: dict[str, dict[str, int]] = {}

    def advance(self, count: int) -> int:
        """Move on by `count` bytes; the position before."""
        start = self.at
        if count < 0 or start + count > len(self.data):
            raise broken(self.name)
        self.at += count
        return start

    def integer(self, count: int) -> int:
        """A big-endian signed integer of `count` bytes, the order of everything but values."""
        start = self.advance(count)
        return int.from_bytes(self.data[start : self.at], "big", signed=True)

    def length(self) -> int:
        """A count or a type: 4 bytes in dm3, 8 in dm4."""
        return self.integer(8 if self.wide else 4)

    def spend(self, numbers: int) -> None:
        """Count what RosettaSciIO will read one by one."""
        self.numbers += max(numbers, 0)
        if self.numbers > _MOST_NUMBERS:
            raise UnreadableMicrograph(
                f"The {self.name} file has too much data beside its pictures.",
                remedy="Save the picture alone, as dm4 or TIFF.",
            )

    def group(self, path: tuple[str, ...], depth: int) -> None:
        if depth > _DEEPEST:
            raise broken(self.name)
        self.advance(2 + (8 if self.wide and depth else 0))  # sorted, open; in dm4 the size of an inner group
        unnamed_data = unnamed_groups = 0
        for _ in range(self.length()):
            self.tags += 1
            if self.tags > _MOST_TAGS:
                raise broken(self.name)
            kind, name_bytes = self.integer(1), self.integer(2)
            if name_bytes > _LONGEST_NAME:
                raise broken(self.name)
            start = self.advance(name_bytes)
            name = self.data[start : self.at].decode("latin-1").replace(".", "")
            if kind == 20:
                self.group((*path, name or f"TagGroup{unnamed_groups}"), depth + 1)
                unnamed_groups += not name
            elif kind == 21:
                self.tag((*path, name or f"Data{unnamed_data}"), pixels=path[-1:] == ("ImageData",) and name == "Data")
                unnamed_data += not name
            else:
                raise broken(self.name)

    def tag(self, path: tuple[str, ...], pixels: bool) -> None:
        self.advance(8 if self.wide else 0)
        start = self.advance(4)
        if self.data[start : self.at] != b"%%%%":
            raise broken(self.name)
        parts, kind = self.length(), self.length()
        if parts == 1:
            self.number(path, kind)
        elif parts == 2 and kind == _STRING:
            self.string(self.length())
        elif parts == 3 and kind == _ARRAY:
            element, count = self.length(), self.length()
            self.array(path, self.size_of(element), count, 1, pixels)
        elif parts > 3 and kind == _STRUCT:
            fields = self.fields()
            self.spend(len(fields))
            self.advance(sum(fields))
        elif parts > 3 and kind == _ARRAY:
            element = self.length()
            if element == _STRUCT:
                fields = self.fields()
                self.array(path, sum(fields), self.length(), len(fields), pixels)
            elif element == _STRING:
                length, count = self.length(), self.length()
                if length > _LONGEST_STRING:
                    raise broken(self.name)
                self.array(path, length, count, length, pixels=False)
            else:
                raise broken(self.name)
        else:
            raise broken(self.name)

    def size_of(self, kind: int) -> int:
        if kind not in _BYTES:
            raise broken(self.name)
        return _BYTES[kind]

    def number(self, path: tuple[str, ...], kind: int) -> None:
        start = self.advance(self.size_of(kind))
        if path[:1] == ("ImageList",) and path[2:3] == ("ImageData",) and kind in _INTEGERS:
            (value,) = struct.unpack_from(self.order + _INTEGERS[kind], self.data, start)
            self.images.setdefault(path[1], {})["/".join(path[3:])] = value

    def string(self, length: int) -> None:
        if length > _LONGEST_STRING:
            raise broken(self.name)
        self.spend(length)
        self.advance(length)

    def fields(self) -> list[int]:
        """The sizes in bytes of the fields of a struct."""
        self.length()
        count = self.length()
        if not 0 < count <= _LONGEST_NAME:
            raise broken(self.name)
        sizes = []
        for _ in range(count):
            self.length()
            sizes.append(self.size_of(self.length()))
        return sizes

    def array(self, path: tuple[str, ...], element_bytes: int, count: int, numbers: int, pixels: bool) -> None:
        if count < 0 or element_bytes <= 0:
            raise broken(self.name)
        if not pixels:
            self.spend(count * numbers)
        elif path[:1] == ("ImageList",) and count > 0:
            self.images.setdefault(path[1], {})["bytes"] = element_bytes * count
        self.advance(element_bytes * count)
