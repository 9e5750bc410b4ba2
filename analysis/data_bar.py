"""The part of a picture that is a micrograph: without the bar of text that a microscope burns in, or blank margins.

A bar or a margin begins with a line (a row or a column) that one grey value, give or take the noise of a compressed
file, fills nearly, and goes on while that value fills much of a line, and more of it than one value fills of the lines
in the middle of the picture; the lines of a text between such lines belong to it as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_OUTERMOST, _SHARE = 0.85, 0.4  # of the first line and of those after it, which may hold text, that one value fills
_TIMES = 1.5  # as much as of the lines in the middle
_NEAR = 0.02  # of the range of grey values: the same value
_TEXT = 0.03  # of the picture's height: lines of dense text that a bar may go on behind
_MOST = 0.4  # of the picture's height or width that margins take
_LEVELS = 256


@dataclass(frozen=True)
class Field:
    """The micrograph in a picture: columns left … right - 1, rows top … bottom - 1."""

    left: int
    top: int
    right: int
    bottom: int

    def of(self, pixels: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """That part of an array (height, width)."""
        return pixels[self.top : self.bottom, self.left : self.right]


def field(pixels: npt.NDArray[np.floating]) -> Field:
    """Where the micrograph is in a picture; all of it where there is neither bar nor margin.

    Parameters
    ----------
    pixels: (height, width), finite.
    """
    height, width = pixels.shape
    levels = _levels(pixels)
    top, bottom, left, right = 0, height, 0, width
    # a margin at the side hides a bar below it, and a bar may be of stripes of different grey
    for _ in range(6):
        before = (top, bottom, left, right)
        top, bottom = _trimmed(levels[:, left:right], top, bottom)
        left, right = _trimmed(levels[top:bottom].T, left, right)
        if (top, bottom, left, right) == before:
            break
    if bottom - top < (1 - _MOST) * height:
        top, bottom = 0, height
    if right - left < (1 - _MOST) * width:
        left, right = 0, width
    return Field(left, top, right, bottom)


def _levels(pixels: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Grey values in 256 steps of their whole range: that of a margin counts as well."""
    low, high = float(pixels.min()), float(pixels.max())
    if not high > low:
        return np.zeros(pixels.shape, np.uint8)
    return np.round((np.asarray(pixels, np.float64) - low) * ((_LEVELS - 1) / (high - low))).astype(np.uint8)


def _trimmed(levels: npt.NDArray[np.uint8], first: int, last: int) -> tuple[int, int]:
    """The rows first … last - 1 without those of a bar at either end."""
    if not levels[first:last].size:  # stripes from edge to edge were taken for a bar
        return first, last
    number = last - first
    inner = levels[first + number // 3 : last - number // 3]
    usual = float(np.median([_largest_share(row) for row in inner[:: max(1, len(inner) // 32)]])) if len(inner) else 1.0
    least = max(_SHARE, _TIMES * usual)

    def blank(rows: npt.NDArray[np.uint8]) -> int:
        """Rows from the first on that belong to a bar of the first one's value."""
        if not rows.size:
            return 0
        value = int(np.bincount(rows[0]).argmax())
        share = (np.abs(rows.astype(np.int16) - value) <= _NEAR * _LEVELS).mean(axis=1)
        own = np.flatnonzero(share > least)
        if share[0] < _OUTERMOST or own.size < 2 or own[1] > 1:  # a single line is no bar
            return 0
        ends = np.flatnonzero(np.diff(own) > 1 + _TEXT * len(levels))
        return int(own[ends[0]] if ends.size else own[-1]) + 1

    top = blank(levels[first:last])
    return first + top, last - blank(levels[first + top : last][::-1])


def _largest_share(row: npt.NDArray[np.uint8]) -> float:
    """Share of a line that its most frequent value fills, with what is near to it."""
    counts = np.bincount(row, minlength=_LEVELS)
    near = int(_NEAR * _LEVELS)
    middle = int(counts.argmax())
    return float(counts[max(middle - near, 0) : middle + near + 1].sum() / row.size)
