"""The picture below the marks: PNG, JPEG and TIFF through Pillow, NPY and arrays through numpy.

Nothing else is read on this side. For microscope formats the server gives the picture it saw: `Client.preview`.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from emserve._extras import require
from emserve.exceptions import InvalidParameter, UnsupportedFormat
from emserve.results import Result

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Picture = str | os.PathLike[str] | bytes | NDArray

_NPY = b"\x93NUMPY"
_REMEDY = "Pass client.preview(file), the picture as the server reads it."


def read(picture: Picture, frame: int = 0) -> NDArray[np.float32]:
    """The grey picture (height, width), float32, in its own units.

    Parameters
    ----------
    picture: array (height, width), (height, width, 3 or 4) or (frames, height, width); or a path; or a file's bytes.
    frame: which frame of a stack, from 0.

    Raises UnsupportedFormat for what neither numpy nor Pillow reads, MissingDependency without Pillow.
    """
    if isinstance(picture, np.ndarray):
        return _grey(picture, frame)
    if isinstance(picture, bytes):
        return _read_stream(io.BytesIO(picture), "The picture", frame)
    with Path(picture).open("rb") as stream:
        return _read_stream(stream, Path(picture).name, frame)


def read_for(result: Result, picture: Picture) -> NDArray[np.float32]:
    """The picture that an answer belongs to; raises InvalidParameter where its size is another."""
    pixels = read(picture, result.micrograph.frame)
    size = (result.micrograph.width_px, result.micrograph.height_px)
    if pixels.shape[::-1] != size:
        raise InvalidParameter(
            f"The picture has {pixels.shape[1]} × {pixels.shape[0]} pixels, the answer is of {size[0]} × {size[1]}.",
            remedy="Pass the picture that was analysed.",
            field="picture",
        )
    return pixels


def stretch(pixels: NDArray[Any], percentiles: tuple[float, float] = (0.1, 99.9)) -> NDArray[np.uint8]:
    """8-bit grey between two percentiles of the finite pixels; what is not finite is black."""
    finite = np.isfinite(pixels)
    if not finite.any():
        return np.zeros(pixels.shape, np.uint8)
    low, high = np.percentile(pixels[finite], percentiles)
    scaled = (np.where(finite, pixels, low) - low) / max(high - low, np.finfo(np.float32).tiny)
    return (np.clip(scaled, 0, 1) * 255 + 0.5).astype(np.uint8)


def _read_stream(stream: BinaryIO, name: str, frame: int) -> NDArray[np.float32]:
    magic = stream.read(len(_NPY))
    stream.seek(0)
    if magic != _NPY:
        return _read_with_pillow(stream, name, frame)
    try:
        array = np.load(stream, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UnsupportedFormat(f"{name} is a broken NPY file.", remedy=_REMEDY) from error
    return _grey(array, frame)


def _read_with_pillow(stream: BinaryIO, name: str, frame: int) -> NDArray[np.float32]:
    image_module = require("PIL.Image", extra="plot", purpose="A picture")
    try:
        with image_module.open(stream, formats=("PNG", "JPEG", "TIFF")) as image:
            if frame:
                image.seek(frame)
            # Depths beyond 8 bits keep their values; everything else goes through 8-bit grey.
            if image.mode not in ("L", "F", "I", "I;16", "I;16B", "I;16L"):
                image = image.convert("L")
            return np.asarray(image).astype(np.float32)
    # Pillow raises whatever its decoders raise: OSError, SyntaxError, ValueError, its own bomb error.
    except Exception as error:
        raise UnsupportedFormat(f"{name} cannot be read here as PNG, JPEG or TIFF.", remedy=_REMEDY) from error


def _grey(array: NDArray[Any], frame: int) -> NDArray[np.float32]:
    if array.ndim == 3 and array.shape[-1] in (3, 4):
        array = array[..., :3].mean(axis=-1)
    elif array.ndim == 3 and frame < len(array):
        array = array[frame]
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise InvalidParameter(
            f"An array of shape {array.shape} and type {array.dtype} is not a picture.",
            remedy="Pass (height, width), or a stack and the frame.",
            field="picture",
        )
    return array.astype(np.float32)
