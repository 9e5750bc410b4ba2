"""Lines as points: splines through support points, equal steps, normals, the pieces inside a frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

FloatArray = npt.NDArray[np.float64]


def lengths(points: FloatArray) -> FloatArray:
    """Length (n,) of the polygon through points (n, 2) up to each of them."""
    return np.concatenate([[0.0], np.cumsum(np.sqrt(np.square(np.diff(points, axis=0)).sum(axis=1)))])


def spline(points: npt.ArrayLike, step_px: float = 1.0) -> FloatArray:
    """Points (n, 2) about `step_px` apart, evenly, along the cubic spline through support points (m, 2), m ≥ 2.

    The spline's parameter is the chord length; its ends are free of curvature.
    """
    support = np.asarray(points, np.float64)
    if len(support) == 2:
        return resampled(support, step_px)
    chord = lengths(support)
    curve = CubicSpline(chord, support, bc_type="natural")
    return resampled(curve(np.linspace(0.0, chord[-1], max(33, int(2 * chord[-1] / step_px)))), step_px)


def resampled(points: FloatArray, step_px: float = 1.0) -> FloatArray:
    """Points about `step_px` apart, evenly, along the polygon through points (n, 2), its ends among them."""
    length = lengths(points)
    at = np.linspace(0.0, length[-1], max(2, round(length[-1] / step_px) + 1))
    return np.stack([np.interp(at, length, points[:, axis]) for axis in (0, 1)], axis=1)


def tangents(points: FloatArray) -> FloatArray:
    """Unit tangents (n, 2) along points (n, 2)."""
    tangent = np.gradient(points, axis=0)
    return tangent / np.maximum(np.sqrt(np.square(tangent).sum(axis=1, keepdims=True)), 1e-9)


def normals(points: FloatArray) -> FloatArray:
    """Unit normals (n, 2) to the left as seen along the points (n, 2), y down."""
    tangent = tangents(points)
    return np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)


def inside(points: FloatArray, height: int, width: int) -> list[FloatArray]:
    """The pieces of a line (n, 2) on the pixels of a frame, the longest first."""
    x, y = points.T
    within = (x >= -0.5) & (y >= -0.5) & (x <= width - 0.5) & (y <= height - 0.5)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], within.astype(np.int8), [0]])))
    pieces = [points[begin:end] for begin, end in zip(edges[::2], edges[1::2], strict=True) if end - begin >= 2]
    return sorted(pieces, key=lambda piece: -float(lengths(piece)[-1]))


def mask(points: FloatArray, width_px: float, height: int, width: int) -> tuple[npt.NDArray[np.bool_], int, int]:
    """The pixels whose centres lie within half a width of a line: (cropped pixels, left column, top row).

    points: (n, 2), about a pixel apart or closer. The crop is 0 by 0 where nothing is inside the frame.
    """
    radius = width_px / 2
    fine = resampled(points, 0.25) if len(points) > 1 else points
    nearest = np.round(fine).astype(np.intp)
    reach = int(np.ceil(radius + 0.5))
    step = np.arange(-reach, reach + 1)
    dx, dy = (grid.ravel() for grid in np.meshgrid(step, step))
    away = fine - nearest
    hit = np.square(dx - away[:, :1]) + np.square(dy - away[:, 1:]) <= radius * radius
    x, y = (nearest[:, :1] + dx)[hit], (nearest[:, 1:] + dy)[hit]
    kept = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    x, y = x[kept], y[kept]
    if not len(x):
        return np.zeros((0, 0), bool), 0, 0
    left, top = int(x.min()), int(y.min())
    pixels = np.zeros((int(y.max()) - top + 1, int(x.max()) - left + 1), bool)
    pixels[y - top, x - left] = True
    return pixels, left, top
