"""ZIP archives of frames: pictures, or an array of NumPy (npz), read one after the other without unpacking the rest."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Generator
from math import prod
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np

from analysis.micrograph import npy
from analysis.micrograph.picture import Picture, Request, broken, check_size, count_frames
from emserve.exceptions import TooLarge, UnreadableMicrograph
from emserve.frame_files import by_number

_MOST_INDEX_BYTES = 64_000_000  # of the names in it, which are read at once
_MOST_BYTES_PER_PIXEL = 8
_MOST_OTHER_BYTES = 64_000_000  # of a microscope's file beside its picture
_LONGEST_COMMENT = 65_535
# Of these alone `zipfile` unpacks no more than it is asked for: a few KB of the others may become many GB.
_PACK_AGAIN = "Pack the frames again, stored or deflated."
_NO_PICTURES = "Send a ZIP of frames as PNG, TIFF, JPEG, NPY or a microscope's files."


class Archive:
    """The frames of an archive, in the natural order of their names: `frame_9` before `frame_10`.

    Folders, and what systems add to them by themselves (hidden files, `__MACOSX`, `Thumbs.db`), are passed over.

    Raises
    ------
    UnreadableMicrograph: broken, empty or encrypted. TooLarge: its index alone is larger than one of frames can be.
    """

    def __init__(self, path: Path, request: Request) -> None:
        self._request = request
        with path.open("rb") as file:
            _check_index(file)
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
            raise broken("ZIP") from error
        members = [member for member in self._zip.infolist() if _is_frame(member)]
        self._members = sorted(members, key=lambda member: by_number(member.filename))
        if not self._members:
            self.close()
            raise UnreadableMicrograph("The ZIP archive holds no pictures.", remedy=_NO_PICTURES)

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def __len__(self) -> int:
        return len(self._members)

    @property
    def is_array(self) -> bool:
        """Whether it holds nothing but one NPY, as `numpy.savez` writes it."""
        return len(self) == 1 and self._members[0].filename.endswith(".npy")

    def name(self, number: int) -> str:
        """The name of a frame's file."""
        return self._members[number].filename

    def read(self, number: int) -> bytes:
        """The bytes of a frame's file. Raises UnreadableMicrograph, TooLarge."""
        member = self._members[number]
        most = _MOST_BYTES_PER_PIXEL * self._request.max_pixels + _MOST_OTHER_BYTES
        if member.file_size > most:
            raise TooLarge(
                f"It unpacks to {member.file_size} bytes; a frame may have {most}.", remedy="Crop it or bin it."
            )
        with self._opened(member) as stream:
            return _read(stream, member.file_size)

    def arrays(self) -> Generator[Picture, None, None]:
        """The frames of the one array, which is unpacked as they are asked for."""
        with self._opened(self._members[0]) as stream:
            head = stream.read(12)
            if head[:6] != b"\x93NUMPY":
                raise broken("NPY")
            length_bytes = 2 if head[6:7] == b"\x01" else 4
            rest = int.from_bytes(head[8 : 8 + length_bytes], "little") + 8 + length_bytes - len(head)
            dtype, shape, fortran, _ = npy.header(head + stream.read(min(max(rest, 0), 1 << 20)))
            colours = npy.picture_dimensions(shape)
            frames = count_frames(shape[:-colours])
            check_size(shape[-colours:][1], shape[-colours], self._request)
            if fortran and frames > 1:
                raise UnreadableMicrograph(
                    "The array is stored column by column, in which its frames do not follow one another.",
                    remedy="Save it row by row: numpy.savez(path, numpy.ascontiguousarray(array)).",
                )
            shape = shape[-colours:]
            for _ in range(frames):
                stored = np.frombuffer(_read(stream, prod(shape) * dtype.itemsize), dtype)
                yield Picture(stored.reshape(shape[::-1]).T if fortran else stored.reshape(shape), frames)

    def _opened(self, member: zipfile.ZipInfo) -> zipfile.ZipExtFile:
        if member.flag_bits & 1:
            raise UnreadableMicrograph("It is encrypted.", remedy="Pack the frames without a password.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnreadableMicrograph("It is packed in a way that is not read.", remedy=_PACK_AGAIN)
        try:
            return self._zip.open(member)  # type: ignore[return-value]
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
            raise UnreadableMicrograph("It cannot be unpacked.", remedy=_PACK_AGAIN) from error


def _is_frame(member: zipfile.ZipInfo) -> bool:
    if not member.filename:
        return False
    path = PurePosixPath(member.filename.replace("\\", "/"))
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return not (member.is_dir() or hidden or path.name.lower() in ("thumbs.db", "desktop.ini"))


def _read(stream: zipfile.ZipExtFile, count: int) -> bytes:
    try:
        content = stream.read(count)
    except Exception as error:  # the decoders of packed data raise their own
        raise UnreadableMicrograph("It is damaged.", remedy="Pack the frames again and send them.") from error
    if len(content) < count:
        raise UnreadableMicrograph("It is cut off.", remedy="Pack the frames again and send them.")
    return content


def _check_index(file: BinaryIO) -> None:
    """Refuse a flood of names: `zipfile` takes up all of them, without a limit."""
    size = file.seek(0, 2)
    start = file.seek(max(0, size - _LONGEST_COMMENT - 22 - 20))
    end = file.read()
    at = end.rfind(b"PK\5\6")
    if at < 0 or at + 22 > len(end):
        raise UnreadableMicrograph(
            "The ZIP archive is cut off: its list of files, which comes last, is missing.", remedy="Send it again."
        )
    (index_bytes,) = struct.unpack_from("<I", end, at + 12)
    if at >= 20 and end[at - 20 : at - 16] == b"PK\6\7":
        (named,) = struct.unpack_from("<Q", end, at - 12)
        # `zipfile` looks right before the locator, whatever place that names
        before = _index_bytes(file, start + at - 20 - 56)
        index_bytes = max(index_bytes if before is None else before, _index_bytes(file, min(named, size)) or 0)
    if index_bytes > _MOST_INDEX_BYTES:
        raise TooLarge("The ZIP archive has too many files.", remedy="Send it in parts.")


def _index_bytes(file: BinaryIO, record: int) -> int | None:
    """The length of the list of files by the ZIP64 record at a place; None where there is none."""
    file.seek(max(record, 0))
    content = file.read(56)
    return int.from_bytes(content[40:48], "little") if len(content) == 56 and content[:4] == b"PK\6\6" else None
