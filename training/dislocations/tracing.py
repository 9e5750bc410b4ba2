"""From rough points along a dark line to its course, and the brightness across it.

A person clicks a few points; between them the course follows the darkest way, and is then moved onto the middle of the
dark.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.interpolate import make_smoothing_spline
from skimage.graph import route_through_array

from training.dislocations.curves import FloatArray, lengths, normals, resampled

_MARGIN_PX = 14  # that the way may leave the box around two points


def profiles(pixels: npt.NDArray[np.generic], points: FloatArray, offsets_px: FloatArray) -> FloatArray:
    """Brightness (n, m) across a line at offsets (m,) along its normals, 1 being its surroundings.

    The surroundings are as `surroundings` has them. NaN outside of the picture.
    """
    places = points[:, None] + normals(points)[:, None] * offsets_px[None, :, None]
    values = ndimage.map_coordinates(
        np.asarray(pixels, np.float64), [places[..., 1], places[..., 0]], order=3, mode="constant", cval=np.nan
    )
    return values / surroundings(values, offsets_px)


def surroundings(values: FloatArray, offsets_px: FloatArray) -> FloatArray:
    """The straight lines (n, m) through the brightness (n, m) at the outer fifths of both sides of profiles."""
    outer = np.abs(offsets_px) > 0.8 * np.abs(offsets_px).max()
    left, right = outer & (offsets_px > 0), outer & (offsets_px < 0)
    slope = (values[:, left].mean(axis=1) - values[:, right].mean(axis=1)) / (
        offsets_px[left].mean() - offsets_px[right].mean()
    )
    level = values[:, outer].mean(axis=1)
    return np.asarray(level[:, None] + slope[:, None] * (offsets_px - offsets_px[outer].mean()), np.float64)


def follow(
    pixels: npt.NDArray[np.generic], points: npt.ArrayLike, *, width_px: float = 4.0, stiffness: float = 30.0
) -> FloatArray:
    """The course (n, 2) of the dark line that runs near rough points (m, 2), every pixel or so.

    Between two points it takes the way on which a ridge filter of the line's width finds most; then it is moved onto
    the centre of the dark across it and smoothed. The ends stay where they are given.

    Parameters
    ----------
    width_px: full width of the line at half of its depth.
    stiffness: of the smoothing; 0 keeps every wiggle of the noise.
    """
    rough = np.asarray(points, np.float64)
    cost = _cost(np.asarray(pixels, np.float64), width_px)
    way = [rough[0]]
    for begin, end in itertools.pairwise(rough):
        way.extend(_way(cost, begin, end)[1:-1])
        way.append(end)
    course = _smoothed(np.array(way), stiffness)
    offsets = np.arange(-1.2 * width_px, 1.2 * width_px + 0.25, 0.5)
    for _ in range(2):
        dark = np.maximum(1.0 - np.nan_to_num(profiles(pixels, course, offsets), nan=1.0), 0.0)
        dark = ndimage.uniform_filter1d(dark, 7, axis=0, mode="nearest")
        shift = (dark * offsets).sum(axis=1) / np.maximum(dark.sum(axis=1), 1e-9)
        shift[0] = shift[-1] = 0.0
        course = _smoothed(course + shift[:, None] * normals(course), stiffness)
    return course


def _cost(pixels: FloatArray, width_px: float) -> FloatArray:
    """Of a step on every pixel: low on ridges of darkness, whatever the local brightness."""
    level = ndimage.gaussian_filter(pixels, 4.0 * width_px, mode="nearest")
    ratio = pixels / np.maximum(level, 1e-9)
    sigma = width_px / 2.355
    xx, yy, xy = (ndimage.gaussian_filter(ratio, sigma, order, mode="nearest") for order in ((0, 2), (2, 0), (1, 1)))
    ridge = 0.5 * (xx + yy + np.sqrt((xx - yy) ** 2 + 4 * xy**2)) * sigma**2
    strong = max(float(np.quantile(ridge, 0.99)), 1e-9)
    return np.exp(-3.0 * np.clip(ridge / strong, 0.0, 1.0)) + 0.02


def _way(cost: FloatArray, begin: FloatArray, end: FloatArray) -> FloatArray:
    height, width = cost.shape
    low = np.maximum(np.floor(np.minimum(begin, end)).astype(int) - _MARGIN_PX, 0)
    high = np.minimum(np.ceil(np.maximum(begin, end)).astype(int) + _MARGIN_PX + 1, (width, height))
    limit = high - low - 1
    first, last = (np.clip(np.round(point).astype(int) - low, 0, limit) for point in (begin, end))
    window = cost[low[1] : high[1], low[0] : high[0]]
    path, _ = route_through_array(window, first[::-1], last[::-1], fully_connected=True, geometric=True)
    return np.array(path, np.float64)[:, ::-1] + low


def _smoothed(points: FloatArray, stiffness: float) -> FloatArray:
    """A smoothing spline through points (n, 2), its ends kept, in points one pixel apart."""
    length = lengths(points)
    points, length = points[np.insert(np.diff(length) > 1e-6, 0, True)], np.unique(length)
    if stiffness > 0 and len(points) >= 5:
        weights = np.ones(len(points))
        weights[[0, -1]] = 1e3
        curves = [make_smoothing_spline(length, points[:, axis], weights, lam=stiffness) for axis in (0, 1)]
        at = np.linspace(0.0, length[-1], 2 * len(points))
        points = np.stack([curve(at) for curve in curves], axis=1)
    return resampled(points)
