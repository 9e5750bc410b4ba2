"""Masks of single findings: cropped to their box and run-length encoded.

Nothing in analysis holds one array of the picture's size per finding: a picture of 4096² with 1,000 defects would
need 16 GB that way, and needs a few MB this way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Mask:
    """The pixels of one finding.

    `counts` are the run lengths of the crop, column by column from the left and each column from the top, beginning
    with a run of background (0 where the first pixel is set): COCO's uncompressed run-length encoding, of the crop.

    Parameters
    ----------
    x_px, y_px: the crop's left column and top row in the picture.
    width_px, height_px: size of the crop. 0 by 0 where the mask is empty.
    """

    x_px: int
    y_px: int
    width_px: int
    height_px: int
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if min(self.width_px, self.height_px, *self.counts, 0) < 0:
            raise ValueError("a mask has no negative size and no negative run")
        if sum(self.counts) != self.width_px * self.height_px:
            raise ValueError(f"the runs of a mask add up to {sum(self.counts)}, not {self.width_px}×{self.height_px}")

    @cached_property
    def area_px(self) -> int:
        """Number of pixels of the mask."""
        return sum(self.counts[1::2])

    @property
    def right_px(self) -> int:
        """The first column right of the crop."""
        return self.x_px + self.width_px

    @property
    def bottom_px(self) -> int:
        """The first row below the crop."""
        return self.y_px + self.height_px

    def moved(self, dx: int, dy: int) -> Mask:
        """The same mask elsewhere: from a tile's pixels to the picture's."""
        return Mask(self.x_px + dx, self.y_px + dy, self.width_px, self.height_px, self.counts)

    def touches_edge(self, height: int, width: int) -> bool:
        """Whether the mask reaches the first or last row or column of a picture of that size."""
        return self.area_px > 0 and (
            self.x_px <= 0 or self.y_px <= 0 or self.right_px >= width or self.bottom_px >= height
        )


EMPTY = Mask(0, 0, 0, 0, ())


def encode(pixels: npt.NDArray[np.generic], *, x_px: int = 0, y_px: int = 0) -> Mask:
    """The mask of an array, cropped to the smallest box around its set pixels.

    Two equal sets of pixels give equal masks. `decode` gives the pixels back exactly.

    Parameters
    ----------
    pixels: (height, width), anything but 0 is set.
    x_px, y_px: where the array's first pixel lies in the picture.
    """
    is_set: BoolArray = np.asarray(pixels) != 0
    columns = np.flatnonzero(is_set.any(axis=0))
    if columns.size == 0:
        return EMPTY
    rows = np.flatnonzero(is_set.any(axis=1))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    crop = is_set[top:bottom, left:right]
    flat = crop.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1  # where a new run begins
    edges = np.concatenate(([0] if not flat[0] else [0, 0], changes, [flat.size]))
    return Mask(x_px + int(left), y_px + int(top), int(right - left), int(bottom - top), tuple(np.diff(edges).tolist()))


def decode(mask: Mask) -> BoolArray:
    """The pixels of a mask's crop, (height_px, width_px)."""
    values = np.zeros(len(mask.counts), bool)
    values[1::2] = True
    return np.repeat(values, mask.counts).reshape(mask.width_px, mask.height_px).T


def union(masks: Iterable[Mask]) -> Mask:
    """The pixels that belong to any of the masks."""
    present = [mask for mask in masks if mask.area_px]
    if not present:
        return EMPTY
    if len(present) == 1:
        return present[0]
    left, top = min(m.x_px for m in present), min(m.y_px for m in present)
    canvas = np.zeros((max(m.bottom_px for m in present) - top, max(m.right_px for m in present) - left), bool)
    for mask in present:
        canvas[mask.y_px - top : mask.bottom_px - top, mask.x_px - left : mask.right_px - left] |= decode(mask)
    return encode(canvas, x_px=left, y_px=top)


def clipped(mask: Mask, left: int, top: int, right: int, bottom: int) -> Mask:
    """The part of a mask inside the rectangle of columns left … right - 1 and rows top … bottom - 1."""
    if left <= mask.x_px and top <= mask.y_px and right >= mask.right_px and bottom >= mask.bottom_px:
        return mask
    x, y = max(left, mask.x_px), max(top, mask.y_px)
    if x >= min(right, mask.right_px) or y >= min(bottom, mask.bottom_px):
        return EMPTY
    return encode(decode(mask)[y - mask.y_px : bottom - mask.y_px, x - mask.x_px : right - mask.x_px], x_px=x, y_px=y)
