"""PNG, JPEG and BMP. What they say of dots per inch is for printers, so they carry no pixel size."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

import numpy as np
from PIL import BmpImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin

from analysis.micrograph.picture import Picture, Request, broken, check_frame, check_size
from emserve.results import Notice

# Opened by their own class, not by Image.open: its limit of pixels is a global of the process, ours an argument.
_OPEN: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
}
warnings.filterwarnings("ignore", module=r"PIL\.")  # of broken EXIF and the like; what matters raises

_MOST_SCANS = 100  # a progressive JPEG has about 10; each one costs a pass over the whole picture
_MOST_PIECES = 100_000
_AS_STORED = {"1", "L", "F", "I", "I;16", "I;16B", "I;16L", "I;16N", "RGB", "RGBA", "RGBX", "LA"}


def read(data: bytes, request: Request, format: str) -> Picture:
    """The picture, with its colours if it has any."""
    _check_pieces(data, format)
    with _OPEN[format](io.BytesIO(data)) as image:
        check_size(*image.size, request)
        check_frame(1, request)
        return Picture(pixels_of(image), notices=_depth_notice(data) if format == "png" else ())


def _check_pieces(data: bytes, format: str) -> None:
    """Refuse a file of endless tiny pieces, each of which Pillow takes up in Python and with care."""
    if format == "jpeg" and data.count(b"\xff\xda") > _MOST_SCANS:
        raise broken("JPEG")
    at = {"png": 8, "jpeg": 2}.get(format, len(data))
    for _ in range(_MOST_PIECES):
        if at + 8 > len(data):
            return
        if format == "png":
            at += 12 + int.from_bytes(data[at : at + 4], "big")
        elif data[at + 1] == 0xFF:  # filling
            at += 1
        elif data[at] != 0xFF or data[at + 1] == 0xDA:  # broken, or the pixels begin
            return
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise broken(format.upper())


def pixels_of(image: Image.Image) -> np.ndarray:
    """Decode: (height, width) or (height, width, channels); palettes and other colour spaces become RGB."""
    image.load()
    return np.asarray(image if image.mode in _AS_STORED else image.convert("RGB"))


def _depth_notice(data: bytes) -> tuple[Notice, ...]:
    depth, colours = data[24], data[25]
    if depth == 16 and colours != 0:
        message = "The PNG has 16 bit per colour, of which the upper 8 were read."
        return (Notice(code="depth_reduced", message=message, remedy="Send a grey 16 bit PNG or TIFF."),)
    return ()
