"""Ordered points → a smooth curve, its length and curvature, and points at equal distances on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline, make_lsq_spline

FloatArray = npt.NDArray[np.float64]

POINTS = 50  # on every line, as published
KNOT_PX = 20.0  # shorter waves are the skeleton's noise: with it a mask's rough edge moves κ by about 0.002 px⁻¹
_SAMPLES_PER_KNOT = 24  # of the length's integral, which is then exact to 1e-5


@dataclass(frozen=True, eq=False)
class Spline:
    """A plane cubic spline; its parameter runs from 0 at one end to 1 at the other.

    curve: a `scipy.interpolate.BSpline` with values (…, 2), x and y in px, or in nm after `moved`.
    """

    curve: BSpline

    @cached_property
    def _arc(self) -> tuple[FloatArray, FloatArray]:
        """Parameters, and the length of the curve up to each."""
        pieces = len(np.unique(self.curve.t)) - 1
        u = np.linspace(0, 1, max(64, _SAMPLES_PER_KNOT * pieces) + 1)
        # Simpson's rule on each step, from the speeds at its ends and in its middle
        ends, middle = self._speed(u), self._speed((u[1:] + u[:-1]) / 2)
        steps = (ends[:-1] + 4 * middle + ends[1:]) / 6 / (len(u) - 1)
        return u, np.concatenate([[0.0], np.cumsum(steps)])

    def _speed(self, u: FloatArray) -> FloatArray:
        return np.asarray(np.hypot(*self.curve(u, 1).T), np.float64)

    @property
    def length(self) -> float:
        """Length of the curve, in the units of its points."""
        return float(self._arc[1][-1])

    def parameters(self, count: int = POINTS) -> FloatArray:
        """Parameters of `count` points at equal distances along the curve, ends included."""
        u, arc = self._arc
        return np.interp(np.linspace(0, arc[-1], count), arc, u)

    def points(self, count: int = POINTS) -> FloatArray:
        """(count, 2) points x, y at equal distances along the curve, ends included."""
        return np.asarray(self.curve(self.parameters(count)), np.float64)

    def curvature(self, u: npt.ArrayLike) -> FloatArray:
        """Curvature at some parameters, one over the units of the points.

        κ = (x′y″ - y′x″) / (x′² + y′²)^(3/2): positive where the curve turns from x towards y, which is clockwise as
        seen on the screen.
        """
        dx, dy = np.moveaxis(self.curve(np.asarray(u, np.float64), 1), -1, 0)
        ddx, ddy = np.moveaxis(self.curve(np.asarray(u, np.float64), 2), -1, 0)
        return np.asarray((dx * ddy - dy * ddx) / np.maximum(dx * dx + dy * dy, 1e-24) ** 1.5)

    def moved(self, *, scale: tuple[float, float] = (1.0, 1.0), shift: tuple[float, float] = (0.0, 0.0)) -> Spline:
        """The curve of x·scale + shift, exactly: to other pixels, or to nm."""
        t, c, k = self.curve.tck
        return Spline(BSpline.construct_fast(t, c * np.asarray(scale) + np.asarray(shift), k))

    def reversed(self) -> Spline:
        """The same curve from its other end."""
        t, c, k = self.curve.tck
        return Spline(BSpline.construct_fast(1 - t[::-1], c[::-1].copy(), k))


def fit(path: FloatArray, *, knot_px: float = KNOT_PX) -> Spline:
    """The cubic spline of least squares through ordered points.

    Parameters
    ----------
    path: (n, 2) points x, y in px, n >= 2, in the order in which the line runs.
    knot_px: distance of the knots; a short line is one polynomial, of lower degree where it has few points.

    Raises
    ------
    ValueError: fewer than two different points.
    """
    path = np.asarray(path, np.float64)
    steps = np.hypot(*np.diff(path, axis=0).T) if len(path) > 1 else np.zeros(0)
    path = path[np.concatenate([[True], steps > 0])] if len(path) else path
    steps = steps[steps > 0]
    if len(path) < 2:
        raise ValueError("a line needs two points that differ")
    u = np.concatenate([[0.0], np.cumsum(steps)])
    total, u = u[-1], u / u[-1]
    u[-1] = 1.0
    if len(path) < 5:  # too few for a cubic: the polygon, smooth enough at that length
        dense = np.linspace(0, 1, 9)
        path, u = np.column_stack([np.interp(dense, u, path[:, i]) for i in (0, 1)]), dense
    count = max(1, min(round(float(total) / knot_px), (len(path) - 4) // 2))
    while True:
        inner = np.arange(1, count) / count
        knots = np.concatenate([np.zeros(4), inner, np.ones(4)])
        # a bridged gap may leave a knot without points, and the fit without a solution
        if count == 1 or np.histogram(u, np.concatenate([[0], inner, [1]]))[0].min() >= 1:
            try:
                return Spline(make_lsq_spline(u, path, knots, 3))
            except (ValueError, np.linalg.LinAlgError):
                if count == 1:
                    raise
        count -= 1
