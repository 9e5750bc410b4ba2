"""Dislocation lines onto a canvas.

A line is a ribbon: its cross-section, laid along a spline, is strewn onto the grid point by point, each with the share
of the ribbon's area that it stands for. So a cross-section may be as asymmetric as dislocations' contrast is.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage
from scipy.interpolate import CubicSpline

from training.defects.synthetic.canvas import Canvas
from training.defects.synthetic.ellipses import line_profile, line_reach_nm
from training.defects.synthetic.marks import Line


def draw(canvas: Canvas, lines: Iterable[Line]) -> None:
    """Adds all lines' attenuation to the canvas."""
    parts = [part for line in lines if (part := _ribbon(canvas, line)) is not None]
    if not parts:
        return
    height, width = canvas.values.shape
    x, y, weight = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    column, row = np.floor(x), np.floor(y)
    right, below = x - column, y - row
    at = (row.astype(np.int64) + 1) * (width + 2) + column.astype(np.int64) + 1
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
    canvas.values += smooth[1:-1, 1:-1]


def course(line: Line, step_nm: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (n, 2) about `step_nm` apart along the line's spline, unit tangents (n, 2) and arc lengths (n,), nm."""
    points = np.array(line.points_nm)
    chord = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    spline = CubicSpline(chord, points) if len(points) > 2 else None
    t = np.linspace(0.0, chord[-1], max(2, int(np.ceil(chord[-1] / step_nm))))
    if spline is None:
        places = points[0] + (points[1] - points[0]) * (t / chord[-1])[:, None]
        tangent = np.broadcast_to((points[1] - points[0]) / chord[-1], places.shape)
    else:
        places, tangent = spline(t), spline(t, 1)
        tangent = tangent / np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)[:, None]
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(places, axis=0).T))])
    return places, tangent, length


def along(line: Line, length: np.ndarray) -> np.ndarray:
    """Depth at arc lengths (n,) of a line."""
    whole = max(float(length[-1]), 1e-9)
    depth = line.depth * np.interp(length / whole, [0.0, 0.5, 1.0], [line.ends[0], 1.0, line.ends[1]])
    if line.waves:
        depth *= np.maximum(1.0 + sum(w.amplitude * np.cos(w.order * np.pi * length / whole + w.phase_rad) for w in line.waves), 0.0)
    if line.beads:
        depth *= 1.0 + line.beads * np.cos(2.0 * np.pi * length / line.bead_nm + line.bead_phase_rad)
    taper = max(line.taper_nm, 1e-3)
    t = np.clip(np.minimum(length, whole - length) / taper, 0.0, 1.0)
    return depth * t * t * (3.0 - 2.0 * t)


def _ribbon(canvas: Canvas, line: Line) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Points of the ribbon in grid coordinates that fall on the canvas, and what each adds there."""
    grid = canvas.spacing_nm
    places, tangent, length = course(line, grid)
    right, left = line_reach_nm(line.width_nm), line_reach_nm(line.width_nm + line.fade_nm)
    height, width = canvas.values.shape
    reach = max(right, left)
    near = (places > -reach).all(axis=1)
    near &= (places[:, 0] < width * grid + reach) & (places[:, 1] < height * grid + reach)
    if not near.any():
        return None
    offsets = np.arange(-int(right / grid), int(left / grid) + 1) * grid
    across = np.where(
        offsets < 0,
        line_profile(offsets.astype(np.float32), line.width_nm),
        line_profile(offsets.astype(np.float32), line.width_nm + line.fade_nm),
    )
    turning = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    curvature = np.gradient(turning, np.maximum(length, 1e-9) if len(length) < 2 else length)
    stride = np.gradient(length) / grid  # how many points of the grid each place stands for
    depth = (along(line, length) * stride)[near]
    places, tangent, curvature = places[near], tangent[near], curvature[near]
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)  # to the left as seen along the line, y down
    # towards its centre of curvature the ribbon gets denser; beyond that it would turn over
    density = np.clip(1.0 + curvature[:, None] * offsets[None, :], 0.0, 2.0)
    weight = depth[:, None] * across[None, :] * density
    x = (places[:, None, 0] + normal[:, None, 0] * offsets[None, :] - canvas.origin_nm) / grid
    y = (places[:, None, 1] + normal[:, None, 1] * offsets[None, :] - canvas.origin_nm) / grid
    inside = (x > -1) & (y > -1) & (x < width) & (y < height) & (np.abs(weight) > 1e-4)
    return x[inside], y[inside], weight[inside]
