"""Lines, slip traces, slipped regions and specks as attenuation."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from training.dislocations import curves
from training.dislocations.curves import FloatArray
from training.dislocations.synthetic.parameters import Line, Parameters, Region, Speck, Trace
from training.synthetic.ribbons import Strewn, ribbon, strewn, unit

_STEP_PX = 0.5  # of a ribbon's points: half of the grid's, or it shows the moiré of both at 45 degrees
_GRID_PX = 0.72  # standard deviation that strewing and smoothing add to a cross-section
_FAINT = 0.004  # share of a depth from which a cross-section is drawn
_FARTHEST = 6.0  # widths; Lorentz's tails would never end
_RIM_PX = 1.5  # softness of a region's rim

Picture = npt.NDArray[np.float32]


def course(line: Line) -> FloatArray:
    """Points (n, 2) of a line, evenly about a pixel apart: its spline with its waves."""
    points = curves.spline(line.supports)
    if not line.waves:
        return points
    length = curves.lengths(points)
    away = np.zeros(len(points))
    for wave in line.waves:
        away += wave.amplitude_px * np.sin(2 * np.pi / wave.length_px * length + wave.phase_rad)
    return curves.resampled(points + away[:, None] * curves.normals(points))


def dip(x_px: FloatArray, width_px: float, exponent: float) -> FloatArray:
    """Pearson's function of type VII with that full width at half maximum, 1 at 0."""
    steep = 4 * (2 ** (1 / exponent) - 1)
    return np.asarray((1 + steep * np.square(x_px / width_px)) ** -exponent, np.float64)


def attenuation(parameters: Parameters) -> Picture:
    """The attenuation (height, width) of all that is drawn, labelled or not."""
    shape = (parameters.frame.height, parameters.frame.width)
    total = np.zeros(shape, np.float32)
    if parameters.regions:
        total += _regions(parameters.regions, shape)
    parts = [part for line in parameters.lines if (part := _line(line, shape)) is not None]
    parts += [part for trace in parameters.traces for part in _trace(trace, shape) if part is not None]
    if parts:
        total += strewn(parts, shape)
    for speck in parameters.specks:
        _add(total, speck)
    return total


def _offsets(width_px: float, exponent: float) -> FloatArray:
    steep = 4 * (2 ** (1 / exponent) - 1)
    reach = width_px * min(_FARTHEST, float(np.sqrt((_FAINT ** (-1 / exponent) - 1) / steep)))
    return np.arange(-int(reach), int(reach) + 1.0)


def _narrowed(width_px: float) -> float:
    """The width to draw so that on the grid it becomes that one."""
    return float(np.sqrt(max(width_px**2 - (2.355 * _GRID_PX) ** 2, 0.36 * width_px**2)))


def _line(line: Line, shape: tuple[int, int]) -> Strewn | None:
    points = curves.resampled(course(line), _STEP_PX)
    length = curves.lengths(points)
    whole = max(float(length[-1]), 1e-9)
    width = _narrowed(line.width_px)
    depth = line.depth * np.interp(length / whole, [0.0, 0.15, 0.85, 1.0], [line.ends[0], 1.0, 1.0, line.ends[1]])
    if line.beads:
        wave = np.cos(2 * np.pi / line.bead_px * length) * np.exp(-length / line.bead_decay_px)
        depth *= 1 + line.beads * wave
    if line.taper_px:
        depth *= _eased(np.minimum(length, whole - length) / line.taper_px)
    offsets = _offsets(line.width_px * (1 + abs(line.skew)), line.exponent)
    across = np.where(
        offsets > 0,
        dip(offsets, width * (1 + line.skew), line.exponent),
        dip(offsets, width * (1 - line.skew), line.exponent),
    )
    # the peak of a narrow line is cut by the grid; what is drawn keeps its depth
    depth *= line.width_px / width
    tangent = curves.tangents(points)
    window = max(1, min(round(line.width_px / _STEP_PX), len(points)))
    tangent = unit(ndimage.uniform_filter1d(tangent, window, axis=0, mode="nearest"))
    return ribbon(points, tangent, depth, offsets, across.astype(np.float32), shape)


def _trace(trace: Trace, shape: tuple[int, int]) -> Iterable[Strewn | None]:
    ends = np.array(trace.points)
    points = curves.resampled(ends, _STEP_PX)
    tangent = curves.tangents(points)
    length = curves.lengths(points)
    begin, end = (max(taper, 1e-3) for taper in trace.taper_px)
    ramp = np.minimum(_eased(length / begin), _eased((length[-1] - length) / end))
    width = _narrowed(trace.width_px)
    offsets = _offsets(trace.width_px, 3.0)
    across = (dip(offsets, width, 3.0) * trace.width_px / width).astype(np.float32)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], axis=1)
    for side, depth in ((0.5, trace.depth), (-0.5, trace.other_depth)):
        if depth:
            yield ribbon(points + side * trace.apart_px * normal, tangent, depth * ramp, offsets, across, shape)


def _eased(t: FloatArray) -> FloatArray:
    t = np.clip(t, 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), np.float64)


def _regions(regions: Iterable[Region], shape: tuple[int, int]) -> Picture:
    picture = Image.new("F", (shape[1], shape[0]))
    total = np.zeros(shape, np.float32)
    for region in regions:
        picture.paste(0.0, (0, 0, shape[1], shape[0]))
        ImageDraw.Draw(picture).polygon(list(region.outline), fill=region.depth)
        total += np.asarray(picture)
    return np.asarray(ndimage.gaussian_filter(total, _RIM_PX, mode="nearest", truncate=3.0), np.float32)


def _add(total: Picture, speck: Speck) -> None:
    half = 0.5 * max(speck.major_px, speck.minor_px)
    reach = int(np.ceil(half * (2 * np.log(200.0)) ** (1 / speck.hardness)))
    left, top = max(0, int(speck.x_px) - reach), max(0, int(speck.y_px) - reach)
    window = total[top : max(top, int(speck.y_px) + reach + 2), left : max(left, int(speck.x_px) + reach + 2)]
    if not window.size:
        return
    x = np.arange(left, left + window.shape[1]) - speck.x_px
    y = (np.arange(top, top + window.shape[0]) - speck.y_px)[:, None]
    cos, sin = np.cos(np.deg2rad(speck.angle_deg)), np.sin(np.deg2rad(speck.angle_deg))
    u, v = (x * cos - y * sin) / (speck.major_px / 2), (x * sin + y * cos) / (speck.minor_px / 2)
    r = np.sqrt(u * u + v * v)
    window += (speck.depth * np.exp(-0.5 * r**speck.hardness)).astype(np.float32)
