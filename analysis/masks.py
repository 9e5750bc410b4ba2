"""Masks of single findings: cropped to their box, run-length encoded, and compared without being decoded.

Nothing in analysis holds one array of the picture's size per finding: a picture of 4096² with 1,000 defects would
need 16 GB that way, and needs a few MB this way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_STRIDE = 1 << 24  # apart of two columns in the running coordinate of `_spans`: more than any picture is high
_ROWS = 512  # rows of the box-against-box table that are held at once


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


def _spans(mask: Mask) -> tuple[FloatArray, FloatArray]:
    """Set pixels as half-open spans of a coordinate that runs down one column after another, and rises."""
    bounds = np.cumsum(mask.counts)
    ends = bounds[1::2]
    starts = bounds[::2][: ends.size]
    height = max(mask.height_px, 1)
    first, last = starts // height, (ends - 1) // height
    pieces = last - first + 1  # a run that goes on in the next column is one span in each
    columns = np.repeat(first, pieces) + (np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces))
    tops = np.maximum(np.repeat(starts, pieces), columns * height) - columns * height
    bottoms = np.minimum(np.repeat(ends, pieces), (columns + 1) * height) - columns * height
    base = (columns + mask.x_px).astype(float) * _STRIDE + mask.y_px
    return base + tops, base + bottoms


def _count_below(spans: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """How many set pixels lie below a running coordinate: the knots of a piecewise linear function."""
    starts, ends = spans
    total = np.cumsum(ends - starts)
    knots = np.empty(2 * starts.size)
    knots[::2], knots[1::2] = starts, ends
    values = np.empty(2 * starts.size)
    values[::2], values[1::2] = total - (ends - starts), total
    return knots, values


def intersection_px(a: Mask, b: Mask) -> int:
    """Number of pixels that both masks hold, from the runs alone."""
    if not a.area_px or not b.area_px:
        return 0
    knots, values = _count_below(_spans(a))
    starts, ends = _spans(b)
    return round(float(np.sum(np.interp(ends, knots, values) - np.interp(starts, knots, values))))


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks, 0 to 1; 0 where both are empty."""
    shared = intersection_px(a, b)
    return shared / (a.area_px + b.area_px - shared) if shared else 0.0


def boxes_of(masks: Sequence[Mask]) -> FloatArray:
    """The crops as boxes, (N, 4): left, top, right, bottom edges with pixel (0, 0) from 0 to 1."""
    return np.array([(m.x_px, m.y_px, m.right_px, m.bottom_px) for m in masks], float).reshape(-1, 4)


def meeting_boxes(a: FloatArray, b: FloatArray) -> tuple[IntArray, IntArray]:
    """Pairs of boxes that share some area: indices into a and into b, in the order of a."""
    found_a, found_b = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for start in range(0, len(a), _ROWS):
        part = a[start : start + _ROWS, None]
        meet = (np.maximum(part[..., :2], b[None, :, :2]) < np.minimum(part[..., 2:], b[None, :, 2:])).all(axis=-1)
        rows, columns = np.nonzero(meet)
        found_a.append(rows + start)
        found_b.append(columns)
    return np.concatenate(found_a), np.concatenate(found_b)


def overlaps(a: Sequence[Mask], b: Sequence[Mask]) -> tuple[IntArray, IntArray, IntArray]:
    """All pairs of masks that share pixels: index into a, index into b, number of shared pixels.

    Only masks whose boxes meet are compared, and none is decoded.
    """
    rows, columns = meeting_boxes(boxes_of(a), boxes_of(b))
    spans = {j: _spans(b[j]) for j in np.unique(columns).tolist()}
    shared = np.zeros(rows.size, np.intp)
    last, knots, values = -1, np.empty(0), np.empty(0)
    for k, (i, j) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        if i != last:
            last, (knots, values) = i, _count_below(_spans(a[i]))
        starts, ends = spans[j]
        shared[k] = round(float(np.sum(np.interp(ends, knots, values) - np.interp(starts, knots, values))))
    keep = shared > 0
    return rows[keep], columns[keep], shared[keep]
