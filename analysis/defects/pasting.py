"""The network's small mask probabilities put into their boxes in the picture.

A Mask R-CNN answers, for each box, a square map of probabilities (28×28) that covers the box. Detectron2 samples that
map at the centre of every pixel of the picture, bilinearly, with zeros around it, and keeps what is 0.5 or more
(`paste_masks_in_image`). The sampling is separable: first the rows, then the columns, for one box at a time. It is no
product of matrices, because libraries split even small ones between threads, which wait for each other for longer than
the product takes as soon as the processors have other work.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.masks import EMPTY, Mask, encode

THRESHOLD = 0.5

Float32Array = npt.NDArray[np.float32]


_RIM = 2  # cells of zeros around the map: where both neighbours of a pixel lie outside


def _neighbours(
    first: int, last: int, low: np.float32, high: np.float32, cells: int
) -> tuple[npt.NDArray[np.intp], Float32Array, Float32Array]:
    """For the centres of pixels first … last - 1, and a box from low to high: the cell before each, counted from the
    rim's first, and the bilinear weights of that one and the next."""
    centres = np.arange(first, last, dtype=np.float32) + np.float32(0.5)
    normalised = (centres - low) / (high - low) * np.float32(2) - np.float32(1)
    position = ((normalised + np.float32(1)) * np.float32(cells) - np.float32(1)) / np.float32(2)
    position = np.clip(position, -_RIM, cells)
    before = np.floor(position)
    return before.astype(np.intp) + _RIM, 1 - (position - before), 1 - (before + 1 - position)


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
    x1, y1, x2, y2 = np.asarray(box, np.float32)
    if not (x2 > x1 and y2 > y1):
        return np.zeros((0, 0), np.float32), 0, 0
    left, top = max(int(np.floor(x1)) - 1, 0), max(int(np.floor(y1)) - 1, 0)
    right, bottom = min(int(np.ceil(x2)) + 1, width), min(int(np.ceil(y2)) + 1, height)
    if right <= left or bottom <= top:
        return np.zeros((0, 0), np.float32), 0, 0
    values = np.asarray(probabilities, np.float32)
    row, row_weight, next_row_weight = _neighbours(top, bottom, y1, y2, values.shape[0])
    column, column_weight, next_column_weight = _neighbours(left, right, x1, x2, values.shape[1])
    padded = np.zeros([cells + 2 * _RIM + 1 for cells in values.shape], np.float32)
    padded[_RIM : -_RIM - 1, _RIM : -_RIM - 1] = values
    lines = padded[row] * row_weight[:, None] + padded[row + 1] * next_row_weight[:, None]
    found = lines.take(column, axis=1)
    found *= column_weight
    after = lines.take(column + 1, axis=1)
    after *= next_column_weight
    found += after
    return found, left, top


def paste(
    probabilities: npt.NDArray[np.floating],
    box: npt.NDArray[np.floating],
    height: int,
    width: int,
    *,
    threshold: float = THRESHOLD,
) -> Mask:
    """The mask that Detectron2 would paste, cropped and run-length encoded. Parameters as for `sample`."""
    values, left, top = sample(probabilities, box, height, width)
    if values.size == 0:
        return EMPTY
    return encode(values >= np.float32(threshold), x_px=left, y_px=top)
