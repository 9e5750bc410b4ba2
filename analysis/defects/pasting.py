"""The network's small mask probabilities put into their boxes in the picture.

A Mask R-CNN answers, for each box, a square map of probabilities (28×28) that covers the box. Detectron2 samples that
map at the centre of every pixel of the picture, bilinearly, with zeros around it, and keeps what is 0.5 or more
(`paste_masks_in_image`). The sampling is separable, so it is two small matrix products here, for one box at a time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.defects.masks import EMPTY, Mask, encode

THRESHOLD = 0.5

Float32Array = npt.NDArray[np.float32]


def _weights(first: int, last: int, low: np.float32, high: np.float32, cells: int) -> Float32Array:
    """Bilinear weights of the cells at the centres of pixels first … last - 1, for a box from low to high."""
    centres = np.arange(first, last, dtype=np.float32) + np.float32(0.5)
    normalised = (centres - low) / (high - low) * np.float32(2) - np.float32(1)
    position = ((normalised + np.float32(1)) * np.float32(cells) - np.float32(1)) / np.float32(2)
    distance = np.abs(position[:, None] - np.arange(cells, dtype=np.float32))
    return np.maximum(np.float32(1) - distance, np.float32(0))


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
    rows = _weights(top, bottom, y1, y2, values.shape[0])
    columns = _weights(left, right, x1, x2, values.shape[1])
    return np.asarray(rows @ values @ columns.T, np.float32), left, top


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
