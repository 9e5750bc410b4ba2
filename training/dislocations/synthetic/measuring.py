"""Labelled frames → the distributions of their microstructure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.optimize import curve_fit

from training.dislocations import curves
from training.dislocations.curves import FloatArray
from training.dislocations.labels import LabelError, LabelledFrame
from training.dislocations.synthetic.contrast import dip
from training.dislocations.synthetic.distributions import (
    Distribution,
    Even,
    LogNormal,
    Microstructure,
    Mode,
    Modes,
    Normal,
)
from training.dislocations.synthetic.pile_ups import Band
from training.dislocations.tracing import profiles, surroundings

SUPPORTS = 12
"""Points of the mean line and its modes."""
_NEAR_TRACE = 0.2  # slip widths from a trace within which a line ends on it
_SMOOTH_PX = 6.0  # standard deviation of the filter that parts a line's course from its waves
_ACROSS_PX = 16.0
_LEAST_ROWS = 15  # of a line that are averaged
_EXPLAINED = 0.98  # share of the scatter that the modes hold


@dataclass(frozen=True, eq=False)
class Measured:
    """What one frame shows: its band, its whole lines as (u, v), where lines begin, waves and profiles."""

    band: Band
    side_px: int
    lines: list[FloatArray]
    starts: FloatArray
    waves_px: list[float]
    depths: list[float]
    widths_px: list[float]
    exponents: list[float]


def measure(pixels: npt.NDArray[np.generic], labels: LabelledFrame) -> Measured:
    """Measure a frame that shows one pile-up: its lines and its two slip traces are labelled.

    Raises
    ------
    LabelError: there are no lines, or not two traces.
    """
    if len(labels.slip_traces) != 2 or not labels.lines:
        raise LabelError(f"{labels.image}: label the lines of one pile-up and its two slip traces")
    band = _band(labels.slip_traces)
    whole, starts, waves = [], [], []
    shapes = []
    for line in labels.lines:
        uv = band.to_uv(line)
        if uv[0, 1] > uv[-1, 1]:
            line, uv = line[::-1], uv[::-1]
        starts.append(float(uv[0, 0]))
        waves.append(_waves(line))
        profile = _profile(pixels, line)
        if profile is not None:
            shapes.append(profile)
        if abs(uv[0, 1]) < _NEAR_TRACE and abs(uv[-1, 1] - 1) < _NEAR_TRACE:
            even = curves.resampled(uv, float(curves.lengths(uv)[-1]) / (SUPPORTS - 1))
            whole.append(even - [even[0, 0], 0.0])
    if not shapes:
        raise LabelError(f"{labels.image}: no line is far enough from the frame's rim to be measured")
    depths, widths, exponents = (list(values) for values in zip(*shapes, strict=True))
    side = min(labels.height_px, labels.width_px)
    return Measured(band, side, whole, np.sort(starts), waves, depths, widths, exponents)


def fitted(frames: Sequence[Measured], like: Microstructure, *, name: str, source: str) -> Microstructure:
    """The microstructure of measured frames; what was not measured is taken from another one.

    Measured are directions, widths and splay of the slip bands, number, spacing, shape, variation and waves of the
    lines, and depth, width and exponent of their profiles.

    Raises
    ------
    LabelError: fewer than three lines run from one trace to the other.
    """
    lines = [line for frame in frames for line in frame.lines]
    if len(lines) < 3:
        raise LabelError("a shape needs three lines that run from trace to trace: label more frames")
    shape = _modes(np.array(lines))
    spacings = np.concatenate([np.diff(frame.starts) for frame in frames])
    counts = [len(frame.starts) for frame in frames]
    geometry = like.geometry.model_copy(
        update={
            "pile_ups": (1.0,),
            "lines": Even(low=max(1, min(counts) - 1) - 0.4, high=max(counts) + 2.4),
            "angle_deg": _normal([frame.band.angle_deg for frame in frames], spread=3.0),
            "splay_deg": _normal([frame.band.splay_deg for frame in frames], spread=1.0),
            "slip_width": _normal([frame.band.width_px / frame.side_px for frame in frames], spread=0.03, low=0.02),
            "spacing": _log_normal(spacings),
            "variation": Even(low=0.3, high=max(0.4, round(_variation(frames, shape), 2))),
            "shape": shape,
            "wave_rms": _log_normal([wave for frame in frames for wave in frame.waves_px]),
        }
    )
    contrast = like.lines.model_copy(
        update={
            "depth": _log_normal([depth for frame in frames for depth in frame.depths]),
            "width_px": _log_normal([width for frame in frames for width in frame.widths_px]),
            "exponent": _log_normal([exponent for frame in frames for exponent in frame.exponents]),
        }
    )
    return like.model_copy(update={"name": name, "source": source, "geometry": geometry, "lines": contrast})


def _band(traces: Sequence[FloatArray]) -> Band:
    """The band between two traces, each a straight line in the least squares sense."""
    middles, angles = [], []
    for trace in traces:
        even = curves.resampled(trace)
        middle = even.mean(axis=0)
        direction = np.linalg.svd(even - middle)[2][0]
        middles.append(middle)
        angles.append(float(np.rad2deg(np.arctan2(-direction[1], direction[0])) % 180))
    if angles[0] > 135:
        angles[0] -= 180
    angles[1] -= 180 * round((angles[1] - angles[0]) / 180)
    band = Band((float(middles[0][0]), float(middles[0][1])), angles[0], 1.0)
    along, across = band.axes
    # the second trace crosses the normal through the first one's middle at this distance
    slope = np.tan(np.deg2rad(angles[0] - angles[1]))
    away = middles[1] - middles[0]
    width = float(away @ across - slope * (away @ along))
    if width < 0:
        return _band(traces[::-1])
    return Band(band.start, angles[0], width, float(np.rad2deg(np.arctan(slope))))


def _waves(line: FloatArray) -> float:
    """Root mean square of a line's distance from its own smoothed course, px."""
    smooth = ndimage.gaussian_filter1d(line, _SMOOTH_PX, axis=0, mode="nearest")
    away = ((line - smooth) * curves.normals(smooth)).sum(axis=1)
    inner = away[int(2 * _SMOOTH_PX) : -int(2 * _SMOOTH_PX)]
    return float(inner.std()) if len(inner) > 10 else 0.0


def _profile(pixels: npt.NDArray[np.generic], line: FloatArray) -> tuple[float, float, float] | None:
    """Depth, width in px and exponent of the median profile across a line, its ends left out; None at the rim."""
    offsets = np.arange(-_ACROSS_PX, _ACROSS_PX + 0.25, 0.5)
    cut = min(15, len(line) // 6)
    known = profiles(pixels, line, offsets)[cut:-cut]
    known = known[np.isfinite(known).all(axis=1)]
    if len(known) < _LEAST_ROWS:
        return None
    across = np.median(known, axis=0)

    def model(x: FloatArray, depth: float, width: float, exponent: float, middle: float) -> FloatArray:
        bright = np.exp(-depth * dip(x - middle, width, exponent))
        return bright / surroundings(bright[None], x)[0]

    depth = float(-np.log(np.clip(across.min(), 0.05, 0.99)))
    limits = ([0.0, 1.0, 0.8, -3.0], [3.0, _ACROSS_PX, 8.0, 3.0])
    found, _ = curve_fit(model, offsets, across, (depth, 5.0, 2.0, 0.0), bounds=limits)
    return float(found[0]), float(found[1]), float(found[2])


def _modes(lines: npt.NDArray[np.float64]) -> Modes:
    mean = lines.mean(axis=0)
    flat = (lines - mean).reshape(len(lines), -1)
    _, sizes, directions = np.linalg.svd(flat, full_matrices=False)
    share = np.cumsum(sizes**2) / max(float((sizes**2).sum()), 1e-12)
    kept = int(np.searchsorted(share, _EXPLAINED)) + 1
    deviations = sizes / np.sqrt(len(lines) - 1)
    modes = [
        Mode(deviation=round(float(deviation), 5), points=_rounded(direction.reshape(-1, 2)))
        for deviation, direction in zip(deviations[:kept], directions[:kept], strict=True)
    ]
    return Modes(mean=_rounded(mean), modes=tuple(modes))


def _variation(frames: Sequence[Measured], shape: Modes) -> float:
    """Scatter of the lines inside a pile-up as a share of the scatter of all."""
    inner = [line - np.mean(frame.lines, axis=0) for frame in frames for line in frame.lines if len(frame.lines) > 1]
    degrees = sum(len(frame.lines) - 1 for frame in frames if len(frame.lines) > 1)
    if not degrees:
        return 0.5
    within = float(np.square(inner).sum()) / degrees
    return float(np.sqrt(within / sum(mode.deviation**2 for mode in shape.modes)))


def _normal(values: Sequence[float], *, spread: float, low: float = -360.0) -> Distribution:
    """Around the values' mean; a few values say little about their scatter, which is at least `spread`."""
    mean, deviation = float(np.mean(values)), max(float(np.std(values)), spread)
    limits = max(low, mean - 2.5 * deviation), mean + 2.5 * deviation
    return Normal(mean=round(mean, 4), deviation=round(deviation, 4), low=round(limits[0], 4), high=round(limits[1], 4))


def _log_normal(values: Sequence[float] | FloatArray) -> Distribution:
    positive = np.maximum(np.asarray(values, float), 1e-3)
    mean, deviation = float(positive.mean()), max(float(positive.std()), 0.05 * float(positive.mean()))
    low, high = 0.7 * float(positive.min()), 1.3 * float(positive.max())
    return LogNormal(mean=round(mean, 4), deviation=round(deviation, 4), low=round(low, 4), high=round(high, 4))


def _rounded(points: FloatArray) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(u), 4), round(float(v), 4)) for u, v in points)
