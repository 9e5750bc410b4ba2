"""Ordered points → a smooth curve, its length and curvature, and points at equal distances on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline
from scipy.linalg import solveh_banded

FloatArray = npt.NDArray[np.float64]

POINTS = 50  # on every line, as published
SMOOTH_PX = 7.0  # waves of 2π times this length are damped by half: shorter ones are the noise of a mask's edge
KNOT_PX = 6.0
_FEW = 8
_THIRD = (-1.0, 3.0, -3.0, 1.0)
_SAMPLES_PER_KNOT = 8  # of the length's integral, which is then exact to 1e-5


@dataclass(frozen=True, eq=False)
class Spline:
    """A plane cubic spline; its parameter runs from 0 at one end to 1 at the other.

    curve: a `scipy.interpolate.BSpline` with values (…, 2), x and y in px, or in nm after `moved`.
    """

    curve: BSpline

    @cached_property
    def _arc(self) -> tuple[FloatArray, FloatArray]:
        """Parameters, and the length of the curve up to each."""
        u = np.linspace(0, 1, _SAMPLES_PER_KNOT * len(self.curve.t) + 1)
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


def fit(path: FloatArray) -> Spline:
    """The smooth cubic spline along ordered points.

    A penalised spline of least squares (P. H. C. Eilers & B. D. Marx, Statist. Sci. 11 (1996) 89) with knots every
    6 px. Third differences are penalised, so that straight lines, circles' arcs and steady changes of curvature pass
    as they are, while waves shorter than 44 px are damped by half and more.

    Parameters
    ----------
    path: (n, 2) points x, y in px, n >= 2, in the order in which the line runs.

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
    total = float(steps.sum())
    u = np.concatenate([[0.0], np.cumsum(steps)]) / total
    u[-1] = 1.0
    if len(path) < _FEW:  # too few to bend a spline by: the polygon through them
        dense = np.linspace(0, 1, _FEW)
        path, u = np.column_stack([np.interp(dense, u, path[:, i]) for i in (0, 1)]), dense
    pieces = max(1, round(total / KNOT_PX))
    knots = np.arange(-3, pieces + 4) / pieces
    spacing = total / pieces
    banded, right = _normal_equations(u * pieces, total * np.gradient(u), path, pieces)
    banded += spacing * (SMOOTH_PX / spacing) ** 6 * _third_differences(pieces + 3)
    return Spline(BSpline.construct_fast(knots, solveh_banded(banded, right, check_finite=False), 3))


def _normal_equations(
    at: FloatArray, weights: FloatArray, values: FloatArray, pieces: int
) -> tuple[FloatArray, FloatArray]:
    """Of a cubic spline with `pieces` pieces of length 1: the matrix' upper bands (4, n), and the right side (n, 2).

    Only the four basis functions that are not zero at a point are looked at: the products of whole matrices would
    take most of the time that a line takes, and more where other work keeps the processor busy.
    """
    piece = np.minimum(at.astype(np.intp), pieces - 1)
    t = at - piece
    basis = np.array([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6
    n = pieces + 3
    banded = np.zeros((4, n))
    for i in range(4):
        for j in range(i, 4):
            banded[3 - (j - i)] += np.bincount(piece + j, weights * basis[i] * basis[j], minlength=n)
    right = [
        sum(np.bincount(piece + i, weights * basis[i] * values[:, k], minlength=n) for i in range(4)) for k in (0, 1)
    ]
    return banded, np.column_stack(right)


def _third_differences(n: int) -> FloatArray:
    """Upper bands (4, n) of DᵀD, with D the third differences of n coefficients."""
    banded = np.zeros((4, n))
    for i, one in enumerate(_THIRD):
        for j in range(i, 4):
            banded[3 - (j - i), j : n - 3 + j] += one * _THIRD[j]
    return banded
