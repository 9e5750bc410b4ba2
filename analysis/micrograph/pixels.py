"""Pixels as stored, of any type and with colours → grey float32 pixels without gaps."""

from __future__ import annotations

import numpy as np

from analysis.micrograph.picture import SEND_A_PICTURE
from emserve.exceptions import UnreadableMicrograph
from emserve.results import Notice

REC_601 = (0.299, 0.587, 0.114)  # luma of red, green and blue, ITU-R BT.601
FEWEST_LEVELS = 1024  # steps of float32 between the darkest and the brightest pixel; fewer would add noise
MOST_GAPS = 0.05  # of all pixels; more than this is not a few dead pixels


def plain(stored: np.ndarray, *, blank: bool = False) -> tuple[np.ndarray, tuple[Notice, ...]]:
    """Grey pixels (height, width), float32, finite, in the file's own units.

    Where float32 cannot hold the contrast beside a large offset, the offset is subtracted and a notice names it.
    blank: a picture of one value is taken, as the frame of a video that shows nothing for a while.
    Colours become grey by Rec. 601, an alpha channel is ignored, a few pixels that are not finite become the median.

    Raises
    ------
    UnreadableMicrograph: complex or other pixels that are no numbers, too many gaps,
        or, unless `blank`, nothing but one value.
    """
    if stored.dtype.kind not in "biuf":
        what = "complex numbers" if stored.dtype.kind == "c" else "data that are no numbers"
        raise UnreadableMicrograph(
            f"The pixels are {what}.",
            remedy="Save the modulus, the phase or one part as a picture of real numbers.",
        )
    with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 becomes infinite, and is dealt with below
        grey = _grey(stored)
        offset = _offset_to_lose(grey)
        pixels = np.ascontiguousarray(grey if offset is None else grey - np.float64(offset), dtype=np.float32)
    notices: tuple[Notice, ...] = ()
    if stored.dtype.kind == "f" and not np.isfinite(pixels).all():
        pixels, notices = _filled(pixels)
    if offset is not None:
        notices = (*notices, _offset_notice(offset))
    if not blank and pixels.min() == pixels.max():
        raise UnreadableMicrograph(
            f"All pixels of the picture have the same value, {pixels.flat[0]:g}.", remedy=SEND_A_PICTURE
        )
    return pixels, notices


def _offset_to_lose(grey: np.ndarray) -> float | None:
    """The smallest value, where float32 has too few steps between it and the largest; else None."""
    if grey.dtype.itemsize < 4 or grey.dtype == np.float32:
        return None
    finite = grey[np.isfinite(grey)] if grey.dtype.kind == "f" else grey
    if not finite.size:
        return None
    low, high = float(finite.min()), float(finite.max())
    step = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    exact = grey.dtype.kind in "iu" and step <= 1
    return low if not exact and 0 < high - low < FEWEST_LEVELS * step else None


def _offset_notice(offset: float) -> Notice:
    return Notice(
        code="depth_reduced",
        message=f"The contrast is too small beside the grey values' offset of {offset:.10g}, which was subtracted.",
        remedy="Add the offset to the background of the columns where it matters; their intensity is not affected.",
    )


def _grey(stored: np.ndarray) -> np.ndarray:
    if stored.ndim == 2:
        return stored
    if stored.shape[2] < 3:
        return stored[..., 0]
    grey = np.zeros(stored.shape[:2], np.float32)
    for channel, weight in enumerate(REC_601):  # one by one: three in float32 at once would be the peak of memory
        grey += np.multiply(stored[..., channel], weight, dtype=np.float32)
    return grey


def _filled(pixels: np.ndarray) -> tuple[np.ndarray, tuple[Notice, ...]]:
    finite = np.isfinite(pixels)
    gaps = int(finite.size - np.count_nonzero(finite))
    if gaps > MOST_GAPS * finite.size:
        some = "All" if gaps == finite.size else f"{gaps} of {finite.size}"
        raise UnreadableMicrograph(
            f"{some} pixels of the picture are NaN or infinite.", remedy="Crop to the part that was recorded."
        )
    return np.where(finite, pixels, np.median(pixels[finite])), (
        Notice(
            code="pixels_replaced",
            message=f"{gaps} pixels were NaN or infinite and were replaced by the median.",
            remedy="Do not trust what was found on them.",
        ),
    )
