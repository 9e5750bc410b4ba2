"""Ribbons: a cross-section laid along a curve and strewn onto a grid.

Point by point, each with the share of the ribbon's area that it stands for. So a cross-section may be as asymmetric as
dislocations' contrast is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float64]
Strewn = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""x, y and value of the points of a ribbon, in grid points."""


def unit(tangent: FloatArray) -> FloatArray:
    """Directions (n, 2) brought to length 1, in place."""
    tangent /= np.maximum(np.sqrt(np.square(tangent).sum(axis=1, keepdims=True)), 1e-9)
    return tangent


def arc_lengths(places: FloatArray) -> FloatArray:
    """Length (n,) of the polygon through places (n, 2) up to each of them."""
    return np.concatenate([[0.0], np.cumsum(np.sqrt(np.square(np.diff(places, axis=0)).sum(axis=1)))])


def ribbon(
    places: FloatArray,
    tangent: FloatArray,
    depth: FloatArray,
    offsets: npt.NDArray[np.floating[Any]],
    across: npt.NDArray[np.float32],
    shape: tuple[int, int],
    *,
    spacing: float = 1.0,
    origin: float = 0.0,
) -> Strewn | None:
    """The points of a ribbon that fall on a grid of that shape; None where there are none.

    Parameters
    ----------
    places, tangent: (n, 2) points of the curve, closer than the grid's, and unit tangents there.
    depth: (n,) factor on the cross-section there.
    offsets, across: (m,) positions across, positive to the left as seen along the curve with y down, and the
        cross-section there.
    spacing, origin: distance of the grid's points and position of the first in x and in y, in the unit of the places.
    """
    height, width = shape
    reach = max(-float(offsets[0]), float(offsets[-1])) + spacing
    near = (places > -reach).all(axis=1)
    near &= (places[:, 0] < width * spacing + reach) & (places[:, 1] < height * spacing + reach)
    if not near.any():
        return None
    apart = np.maximum(np.diff(arc_lengths(places)), 1e-9)
    stride = 0.5 * (np.append(apart, apart[-1]) + np.insert(apart, 0, apart[0]))  # what each place stands for
    turning = tangent[:-1, 0] * tangent[1:, 1] - tangent[:-1, 1] * tangent[1:, 0]
    curvature = np.append(turning / apart, 0.0)
    depth = (depth * stride / spacing)[near]
    places, tangent, curvature = places[near], tangent[near], curvature[near]
    places, offsets = (places - origin) / spacing, offsets / spacing
    # the normal (t_y, -t_x) points to the left as seen along the curve, y down
    x = (places[:, :1] + tangent[:, 1:] * offsets).astype(np.float32)
    y = (places[:, 1:] - tangent[:, :1] * offsets).astype(np.float32)
    # towards its centre of curvature the ribbon gets denser; beyond that it would turn over
    density = np.clip(1.0 + (curvature * spacing)[:, None] * offsets, 0.0, 2.0)
    value = (depth[:, None] * across * density).astype(np.float32)
    if x.min() > -1 and y.min() > -1 and x.max() < width and y.max() < height:
        return x.ravel(), y.ravel(), value.ravel()
    inside = (x > -1) & (y > -1) & (x < width) & (y < height)
    return x[inside], y[inside], value[inside]


def strewn(parts: Sequence[Strewn], shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """The sum (height, width) of ribbons on the grid, slightly smoothed."""
    height, width = shape
    x, y, weight = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    column, row = np.floor(x), np.floor(y)
    right, below = x - column, y - row
    at = (row.astype(np.intp) + 1) * (width + 2) + column.astype(np.intp) + 1
    total = np.zeros((height + 2) * (width + 2))
    for shift, share in (
        (0, (1 - right) * (1 - below)),
        (1, right * (1 - below)),
        (width + 2, (1 - right) * below),
        (width + 3, right * below),
    ):
        total += np.bincount(at + shift, weight * share, total.size)
    # takes away the moiré of ribbon and grid
    smooth = ndimage.gaussian_filter(total.reshape(height + 2, width + 2).astype(np.float32), 0.6, truncate=2.5)
    return smooth[1:-1, 1:-1]
