"""True positions → the map that a network learns: one Gaussian peak a column."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from analysis.atoms.postprocess import PEAK_SIGMA_PX

SIGMA_PX = PEAK_SIGMA_PX
"""The peak's standard deviation. One size for every lattice and zoom: the map then has one scale, and what reads it
(Otsu's threshold, the Laplacian of Gaussian) needs no knowledge of the lattice. Above one half it is 3.5 px wide, so
that the columns of a dumbbell 6 to 9 px apart stay separate, and broad enough for a centroid of sub-pixel precision."""

SIGMA_OF_SPACING = 0.22
"""Columns closer than 6.8 px get a smaller peak, this fraction of their spacing: between two the map falls below
0.1."""


UNJUDGED_RADIUS_PX = 4.0
"""Around a column that nobody can judge, the map is not taught."""


def judged_pixels(unjudged: npt.NDArray[np.float64], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Where a map may be judged: 0 around the unjudged columns (n, 2) that are in the picture or within a pixel of it.

    Returns:
        (height, width) float32 of zeros and ones.
    """
    out = np.ones(shape, np.float32)
    height, width = shape
    near = ((unjudged > -1) & (unjudged < (width, height))).all(axis=1)
    radius = int(np.ceil(UNJUDGED_RADIUS_PX))
    for x, y in unjudged[near]:
        rows = np.arange(max(0, int(y) - radius), min(height, int(y) + radius + 2))
        columns = np.arange(max(0, int(x) - radius), min(width, int(x) + radius + 2))
        far = np.hypot(rows[:, None] - y, columns - x) > UNJUDGED_RADIUS_PX
        out[rows[:, None], columns] *= far
    return out


def probability_map(
    x_px: npt.NDArray[np.float64], y_px: npt.NDArray[np.float64], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """The map of a picture's columns.

    Args:
        x_px, y_px: (N,) true positions; pixel (0, 0) is the centre of the top left pixel.
        shape: (height, width).

    Returns:
        (height, width) float32: 1 at a column's centre, the larger of two peaks where they overlap.
    """
    out = np.zeros(shape, np.float32)
    if len(x_px) == 0:
        return out
    sigma = np.full(len(x_px), SIGMA_PX)
    if len(x_px) > 1:
        distance = cKDTree(np.column_stack((x_px, y_px))).query(np.column_stack((x_px, y_px)), k=2)[0][:, 1]
        sigma = np.clip(SIGMA_OF_SPACING * distance, 0.7, SIGMA_PX)
    radius = int(np.ceil(4 * SIGMA_PX))
    offsets = np.arange(-radius, radius + 1)
    columns = np.rint(x_px).astype(int)[:, None] + offsets
    rows = np.rint(y_px).astype(int)[:, None] + offsets
    across = np.exp(-((columns - x_px[:, None]) ** 2) / (2 * sigma[:, None] ** 2))
    down = np.exp(-((rows - y_px[:, None]) ** 2) / (2 * sigma[:, None] ** 2))
    peaks = (down[:, :, None] * across[:, None, :]).astype(np.float32)
    inside = ((rows >= 0) & (rows < shape[0]))[:, :, None] & ((columns >= 0) & (columns < shape[1]))[:, None, :]
    row = np.broadcast_to(rows[:, :, None], peaks.shape)[inside]
    column = np.broadcast_to(columns[:, None, :], peaks.shape)[inside]
    np.maximum.at(out, (row, column), peaks[inside])
    return out
