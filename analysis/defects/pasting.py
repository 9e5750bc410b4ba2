"""The network's small mask probabilities put into their boxes in the picture.

A Mask R-CNN answers, for each box, a square map of probabilities (28×28) that covers the box. Detectron2 samples that
map at the centre of every pixel of the picture, bilinearly, with zeros around it, and keeps what is 0.5 or more
(`paste_masks_in_image`). The sampling is separable: first the rows, of all boxes at once, then the columns, for one box
at a time. It is no product of matrices, because libraries split even small ones between threads, which wait for each
other for longer than the product takes as soon as the processors have other work.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from analysis.masks import EMPTY, Mask
from analysis.runs import IntArray, Runs, masks_of, ranges

THRESHOLD = 0.5

Float32Array = npt.NDArray[np.float32]


_RIM = 2  # cells of zeros around the map: where both neighbours of a pixel lie outside
_ROWS = 200_000  # of boxes that are held at once


def sample(
    probabilities: npt.NDArray[np.floating], box: npt.NDArray[np.floating], height: int, width: int
) -> tuple[Float32Array, int, int]:
    """Mask probabilities at the pixels under a box.

    Parameters
    ----------
    probabilities: (cells, cells), the map that covers the box.
    box: x1, y1, x2, y2 of its edges, with pixel (0, 0) from 0 to 1 (Detectron2's convention).
    height, width: of the picture.

    Returns
    -------
    (rows, columns) float32, and the picture's column and row of its first pixel. Empty where the box has no area or
    lies outside the picture.
    """
    for _, values, left, top in _samples(probabilities[None], np.asarray(box)[None], height, width):
        return values.T, left, top
    return np.zeros((0, 0), np.float32), 0, 0


def paste(
    probabilities: npt.NDArray[np.floating],
    box: npt.NDArray[np.floating],
    height: int,
    width: int,
    *,
    threshold: float = THRESHOLD,
) -> Mask:
    """The mask that Detectron2 would paste, cropped and run-length encoded. Parameters as for `sample`."""
    return paste_all(probabilities[None], np.asarray(box)[None], height, width, threshold=threshold)[0]


def paste_all(
    probabilities: npt.NDArray[np.floating],
    boxes: npt.NDArray[np.floating],
    height: int,
    width: int,
    *,
    threshold: float = THRESHOLD,
) -> list[Mask]:
    """The masks of many boxes: (N, cells, cells) maps, (N, 4) boxes; else as `paste`."""
    least = np.float32(threshold)
    owners, columns, tops, bottoms = [], [], [], []
    for index, values, left, top in _samples(probabilities, boxes, height, width):
        across, down = values.shape
        inside = np.zeros((across, down + 2), bool)  # a pixel of nothing at both ends of every column
        np.greater_equal(values, least, out=inside[:, 1:-1])
        flat = inside.ravel()
        edges = np.flatnonzero(flat[1:] != flat[:-1])
        starts, ends = edges[::2], edges[1::2]
        column = starts // (down + 2)
        first = column * (down + 2) - top
        owners.append(np.full(starts.size, index, np.intp))
        columns.append(column + left)
        tops.append(starts - first)
        bottoms.append(ends - first)
    if not owners:
        return [EMPTY] * len(boxes)
    return masks_of(Runs(*(np.concatenate(parts) for parts in (owners, columns, tops, bottoms))), len(boxes))


def _samples(
    probabilities: npt.NDArray[np.floating], boxes: npt.NDArray[np.floating], height: int, width: int
) -> Iterator[tuple[int, Float32Array, int, int]]:
    """Of every box that holds a pixel: its number, its probabilities (columns, rows), its first column and row."""
    edges = np.asarray(boxes, np.float32)
    whole = np.flatnonzero((edges[:, 2:] > edges[:, :2]).all(axis=1))
    limit = np.array((width, height))
    first = np.maximum(np.floor(np.clip(edges[whole, :2], -2, limit + 2)) - 1, 0).astype(np.intp)
    last = np.minimum(np.ceil(np.clip(edges[whole, 2:], -2, limit + 2)) + 1, limit).astype(np.intp)
    seen = (last > first).all(axis=1)
    whole, first, number = whole[seen], first[seen], (last - first)[seen]
    values = np.asarray(probabilities, np.float32)
    cells = values.shape[1:]
    padded = np.zeros((len(values), *(side + 2 * _RIM + 1 for side in cells)), np.float32)
    padded[:, _RIM : -_RIM - 1, _RIM : -_RIM - 1] = values
    groups = np.cumsum(number[:, 1]) // _ROWS
    for group in np.unique(groups):
        part = groups == group
        yield from _sampled(padded, edges, cells, whole[part], first[part], number[part])


def _sampled(
    padded: Float32Array,
    edges: Float32Array,
    cells: tuple[int, ...],
    which: IntArray,
    first: IntArray,
    number: IntArray,
) -> Iterator[tuple[int, Float32Array, int, int]]:
    x1, y1, x2, y2 = edges[which].T
    column, column_weight, next_column_weight = _neighbours(first[:, 0], number[:, 0], x1, x2, cells[1])
    row, row_weight, next_row_weight = _neighbours(first[:, 1], number[:, 1], y1, y2, cells[0])
    box = np.repeat(which, number[:, 1])
    lines = padded[box, row] * row_weight[:, None]
    lines += padded[box, row + 1] * next_row_weight[:, None]
    column_weight, next_column_weight = column_weight[:, None], next_column_weight[:, None]
    r = c = 0
    for index, (left, top), (across, down) in zip(which.tolist(), first.tolist(), number.tolist(), strict=True):
        own, at = np.ascontiguousarray(lines[r : r + down].T), slice(c, c + across)
        found = own.take(column[at], axis=0)
        found *= column_weight[at]
        after = own.take(column[at] + 1, axis=0)
        after *= next_column_weight[at]
        found += after
        yield index, found, left, top
        r, c = r + down, c + across


def _neighbours(
    first: IntArray, number: IntArray, low: Float32Array, high: Float32Array, cells: int
) -> tuple[IntArray, Float32Array, Float32Array]:
    """For the centres of so many pixels from the first, and boxes from low to high, one box after another: the cell
    before each, counted from the rim's first, and the bilinear weights of that one and the next."""
    centres = ranges(first, number).astype(np.float32) + np.float32(0.5)
    low, length = np.repeat(low, number), np.repeat(high - low, number)
    normalised = (centres - low) / length * np.float32(2) - np.float32(1)
    position = ((normalised + np.float32(1)) * np.float32(cells) - np.float32(1)) / np.float32(2)
    position = np.clip(position, -_RIM, cells)
    before = np.floor(position)
    weight = (1 - (position - before)).astype(np.float32)
    return before.astype(np.intp) + _RIM, weight, (1 - (before + 1 - position)).astype(np.float32)
