"""Which masks share pixels, and how many: from their runs, without decoding any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from analysis.masks import Mask
from analysis.runs import IntArray, Runs, runs_of

FloatArray = npt.NDArray[np.float64]

_ROWS = 512  # rows of the box-against-box table that are held at once
_PAIRS = 2048  # of masks whose runs are held at once


def boxes_of(masks: Sequence[Mask]) -> FloatArray:
    """The crops as boxes, (N, 4): left, top, right, bottom edges with pixel (0, 0) from 0 to 1."""
    return np.array([(m.x_px, m.y_px, m.right_px, m.bottom_px) for m in masks], float).reshape(-1, 4)


def meeting_boxes(a: FloatArray, b: FloatArray) -> tuple[IntArray, IntArray]:
    """Pairs of boxes that share some area: indices into a and into b, in the order of a."""
    found_a, found_b = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    left, top, right, bottom = b.T
    for start in range(0, len(a), _ROWS):
        x1, y1, x2, y2 = (edge[:, None] for edge in a[start : start + _ROWS].T)
        meet = (np.maximum(x1, left) < np.minimum(x2, right)) & (np.maximum(y1, top) < np.minimum(y2, bottom))
        rows, columns = np.nonzero(meet)
        found_a.append(rows + start)
        found_b.append(columns)
    return np.concatenate(found_a), np.concatenate(found_b)


def shared_px(a: Runs, b: Runs, owners: int) -> IntArray:
    """Number of pixels that each of so many owners has in both."""
    if not a.owner.size or not b.owner.size:
        return np.zeros(owners, np.intp)
    # one running coordinate down all columns of all owners; along it, the number of a's pixels is piecewise linear
    left, top = min(a.column.min(), b.column.min()), min(a.top.min(), b.top.min())
    width, height = max(a.column.max(), b.column.max()) - left + 1, max(a.bottom.max(), b.bottom.max()) - top + 1
    (starts, ends), (first, last) = (
        (base + runs.top, base + runs.bottom)
        for runs in (a, b)
        for base in ((runs.owner * width + runs.column - left) * height - top,)
    )
    knots, passed = np.empty(2 * starts.size), np.empty(2 * starts.size)
    knots[::2], knots[1::2] = starts, ends
    passed[1::2] = np.cumsum(ends - starts)
    passed[::2] = passed[1::2] - (ends - starts)
    found = np.interp(last, knots, passed) - np.interp(first, knots, passed)
    return np.rint(np.bincount(b.owner, found, minlength=owners)).astype(np.intp)


def intersections_px(a: Sequence[Mask], b: Sequence[Mask], i: IntArray, j: IntArray) -> IntArray:
    """Number of pixels that a[i] and b[j] share, for each pair of indices."""
    runs_a, runs_b = runs_of(a), runs_of(b)
    found = [np.empty(0, np.intp)]
    for start in range(0, len(i), _PAIRS):
        part = slice(start, start + _PAIRS)
        found.append(shared_px(runs_a.of(i[part]), runs_b.of(j[part]), len(i[part])))
    return np.concatenate(found)


def intersection_px(a: Mask, b: Mask) -> int:
    """Number of pixels that both masks hold."""
    return int(shared_px(runs_of([a]), runs_of([b]), 1)[0])


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union of two masks, 0 to 1; 0 where both are empty."""
    shared = intersection_px(a, b)
    return shared / (a.area_px + b.area_px - shared) if shared else 0.0


def overlaps(a: Sequence[Mask], b: Sequence[Mask]) -> tuple[IntArray, IntArray, IntArray]:
    """All pairs of masks that share pixels: index into a, index into b, number of shared pixels."""
    i, j = meeting_boxes(boxes_of(a), boxes_of(b))
    shared = intersections_px(a, b, i, j)
    keep = shared > 0
    return i[keep], j[keep], shared[keep]
