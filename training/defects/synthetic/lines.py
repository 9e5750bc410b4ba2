"""Dislocation lines onto a canvas: ribbons along splines."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from training.defects.synthetic.canvas import Canvas
from training.defects.synthetic.ellipses import line_profile, line_reach_nm
from training.defects.synthetic.marks import Line
from training.synthetic.ribbons import FloatArray, Strewn, arc_lengths, ribbon, strewn, unit

#: Share of a line's depth from which its cross-section is drawn.
_FAINT = 0.01
#: Grid that the lines are drawn on: the narrowest is about 3 nm wide.
FINEST_NM = 0.7


def draw(canvas: Canvas, lines: Iterable[Line]) -> None:
    """Adds all lines' attenuation to the canvas."""
    parts = [part for line in lines if (part := _ribbon(canvas, line)) is not None]
    if parts:
        canvas.values += strewn(parts, canvas.values.shape)


def course(line: Line, step_nm: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points (n, 2) about `step_nm` apart along the line, unit tangents (n, 2) and arc lengths (n,), nm.

    The line is the Catmull–Rom spline through its points.
    """
    points = np.array(line.points_nm)
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    sides = np.sqrt(np.square(np.diff(points, axis=0)).sum(axis=1))
    number = max(2, int(np.ceil(sides.sum() / step_nm)))
    # evenly along the polygon, so that long and short pieces are alike
    chord = np.concatenate([[0.0], np.cumsum(sides)])
    t = np.interp(np.linspace(0.0, chord[-1], number), chord, np.arange(len(points)))
    piece = np.minimum(t.astype(int), len(points) - 2)
    f = (t - piece)[:, None]
    p0, p1, p2, p3 = (padded[piece + shift] for shift in range(4))
    c1, c2, c3 = p2 - p0, 2 * p0 - 5 * p1 + 4 * p2 - p3, 3 * p1 - p0 - 3 * p2 + p3
    places = p1 + 0.5 * f * (c1 + f * (c2 + f * c3))
    tangent = c1 + f * (2 * c2 + 3 * f * c3)
    return places, unit(tangent), arc_lengths(places)


def along(line: Line, length: FloatArray) -> FloatArray:
    """Depth at arc lengths (n,) of a line."""
    whole = max(float(length[-1]), 1e-9)
    depth = line.depth * np.interp(length / whole, [0.0, 0.5, 1.0], [line.ends[0], 1.0, line.ends[1]])
    if line.waves:
        angle = np.pi / whole * length
        waves = [wave.amplitude * np.cos(wave.order * angle + wave.phase_rad) for wave in line.waves]
        depth *= np.maximum(1.0 + np.sum(waves, axis=0), 0.0)
    if line.beads:
        depth *= 1.0 + line.beads * np.cos(2.0 * np.pi * length / line.bead_nm + line.bead_phase_rad)
    taper = max(line.taper_nm, 1e-3)
    t = np.clip(np.minimum(length, whole - length) / taper, 0.0, 1.0)
    return depth * t * t * (3.0 - 2.0 * t)


def _ribbon(canvas: Canvas, line: Line) -> Strewn | None:
    grid = canvas.spacing_nm
    places, tangent, length = course(line, grid)
    right, left = line_reach_nm(line.width_nm), line_reach_nm(line.width_nm + line.fade_nm)
    offsets = np.arange(-int(right / grid), int(left / grid) + 1) * grid
    across = np.where(
        offsets < 0,
        line_profile(offsets.astype(np.float32), line.width_nm),
        line_profile(offsets.astype(np.float32), line.width_nm + line.fade_nm),
    )
    shown = across > _FAINT
    offsets, across = offsets[shown], across[shown]
    if line.fade_nm:
        # a wide ribbon swings round a kink instead of fanning out there
        window = max(1, min(int(0.5 * left / grid), len(tangent)))
        tangent = unit(ndimage.uniform_filter1d(tangent, window, axis=0, mode="nearest"))
    depth = along(line, length)
    return ribbon(places, tangent, depth, offsets, across, canvas.values.shape, spacing=grid, origin=canvas.origin_nm)
