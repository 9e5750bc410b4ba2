"""What goes into the `file` field of a request: the file's own bytes, an array as NPY, many pictures as a ZIP."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from emserve.exceptions import InvalidParameter, UnreadableMicrograph
from emserve.frame_files import frame_files

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Source = str | os.PathLike[str] | bytes | bytearray | memoryview | NDArray
    StackSource = Source | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Upload:
    """A named stream of bytes that can be opened again for every attempt; files are streamed, not read into memory.

    content: a file, its bytes, or the files of a stack's frames.
    """

    name: str
    content: Path | bytes | tuple[Path, ...]

    def open(self) -> BinaryIO:
        """The bytes from their beginning. Raises OSError as `open` does."""
        match self.content:
            case Path():
                return self.content.open("rb")
            case bytes():
                return io.BytesIO(self.content)
        return _packed(self.content)


def upload(source: Source) -> Upload:
    """The upload of a path, of a file's bytes, or of an array (height, width) or (frames, height, width).

    Raises TypeError for anything else, InvalidParameter for an array that holds no numbers, and UnreadableMicrograph
    for a folder and for an `.emi` file without its `.ser`.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return Upload("micrograph", bytes(source))
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            raise UnreadableMicrograph(
                f"{path} is a folder.",
                remedy=f"Pass its files one by one, in a shell such as {path}/*.tif.",
                field="file",
            )
        if path.suffix.lower() == ".emi":
            path = _series_beside(path)
        return Upload(path.name, path)
    if hasattr(source, "__array__") or hasattr(source, "__array_interface__"):
        return Upload("array.npy", _npy(source))
    raise TypeError(f"a micrograph is a path, the bytes of a file or an array, not {type(source).__name__}")


def upload_stack(source: StackSource) -> Upload:
    """The upload of a video: what `upload` takes, a folder of frames, or the paths of the frames in their order.

    The frames of a folder are sorted by name, numbers in it by their value. Raises UnreadableMicrograph where there are
    none, besides what `upload` raises.
    """
    if isinstance(source, str | os.PathLike) and Path(source).is_dir():
        folder = Path(source)
        return _of_frames(folder.resolve().name or "frames", frame_files(folder), f"The folder {folder}")
    if isinstance(source, list | tuple):
        return _of_frames("frames", [Path(path) for path in source], "The list")
    return upload(source)  # type: ignore[arg-type]


def _of_frames(name: str, frames: list[Path], where: str) -> Upload:
    if not frames:
        raise UnreadableMicrograph(
            f"{where} holds no pictures.",
            remedy="Pass a video, or a folder of frames as PNG, TIFF, JPEG or a microscope's files.",
            field="file",
        )
    return Upload(f"{name}.zip", tuple(frames))


def _packed(frames: tuple[Path, ...]) -> BinaryIO:
    """The frames in one file on the disk, as they are: pictures do not get smaller."""
    file = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
            for k, path in enumerate(frames):
                archive.write(path, f"{k:06d}_{path.name}")
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _npy(source: object) -> bytes:
    import numpy as np

    array = np.asarray(source)
    if array.dtype.kind not in "biuf":
        raise InvalidParameter(
            f"An array of {array.dtype} is not a picture.",
            remedy="Pass an array of integers or floats, (height, width) or (frames, height, width).",
            field="file",
        )
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
    return stream.getvalue()


def _series_beside(emi: Path) -> Path:
    """The `.ser` of an `.emi`: TIA keeps only settings in the `.emi`, and the picture in `name.ser` or `name_1.ser`."""
    emi.stat()  # a path that does not exist should say so, rather than miss its companion
    stem = emi.stem
    siblings = sorted(p for p in emi.parent.iterdir() if p.suffix.lower() == ".ser" and p.is_file())
    exact = [p for p in siblings if p.stem == stem]
    numbered = [p for p in siblings if p.stem.startswith(f"{stem}_") and p.stem[len(stem) + 1 :].isdigit()]
    found = exact or numbered
    if len(found) == 1:
        return found[0]
    if not found:
        raise UnreadableMicrograph(
            f"{emi.name} holds no picture: TIA keeps it in a .ser file next to it, and there is none.",
            remedy=f"Put {stem}_1.ser next to it, or pass the .ser file itself.",
            field="file",
        )
    raise UnreadableMicrograph(
        f"{emi.name} belongs to several pictures: {', '.join(p.name for p in found)}.",
        remedy="Pass the .ser file that you mean.",
        field="file",
    )
