"""Lines → lengths, curvatures, stresses and densities, in px and nm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from analysis.dislocations.distances import paired_distances
from analysis.dislocations.lines import Line
from analysis.dislocations.splines import POINTS, SMOOTH_PX, Spline
from analysis.distributions import Distribution, distribution

FloatArray = npt.NDArray[np.float64]

LENGTH_BIN_PX = 25.0
LENGTH_BIN_NM = 25.0
_STRAIGHT = 1e5  # px or nm: a larger radius than this is a straight line's
_MIDDLE_PX = 40.0
_EDGE_PX = 3.0


@dataclass(frozen=True)
class LineTension:
    """Constants of the stress that bows a line out, τ = μ·b / R.

    The self-energy of a line per length is taken as μ·b², as in J. P. Hirth & J. Lothe, Theory of Dislocations; with
    μ·b²/2, which is as usual, the stress is half of it.
    """

    shear_modulus_gpa: float
    burgers_vector_nm: float

    def stress_mpa(self, line: MeasuredLine) -> float | None:
        """The stress that holds a line at the radius of its middle; 0 for a straight one, None without a pixel size."""
        if line.spline_nm is None:
            return None
        return 1000 * self.shear_modulus_gpa * self.burgers_vector_nm / line.radius_nm if line.radius_nm else 0.0


@dataclass(frozen=True, eq=False)
class MeasuredLine:
    """A line and its measures, in the micrograph's own pixels.

    spline: in px. spline_nm: the same in nm, None without a pixel size. score: mean probability over the mask.
    width_px: mean width of the mask. touches_edge: it ends at the picture's edge, and may go on outside.
    """

    spline: Spline
    spline_nm: Spline | None
    score: float
    width_px: float
    touches_edge: bool

    @cached_property
    def points_px(self) -> FloatArray:
        """(50, 2) points at equal distances, x and y in px."""
        return self.spline.points()

    @property
    def points_nm(self) -> FloatArray | None:
        """The same places in nm."""
        return None if self.spline_nm is None else np.asarray(self.spline_nm.curve(self.spline.parameters()))

    @property
    def length_px(self) -> float:
        """Length along the line."""
        return self.spline.length

    @property
    def length_nm(self) -> float | None:
        """The same in nm."""
        return None if self.spline_nm is None else self.spline_nm.length

    @cached_property
    def curvature_per_px(self) -> FloatArray:
        """(50,) curvature at the points: positive where the line turns clockwise as seen on the screen."""
        return self.spline.curvature(self.spline.parameters())

    @cached_property
    def curvature_per_nm(self) -> FloatArray | None:
        """The same in nm⁻¹."""
        return None if self.spline_nm is None else self.spline_nm.curvature(self.spline.parameters())

    @property
    def mean_curvature_per_px(self) -> float:
        """Mean of |κ| along the line, less 7 px at both ends (the spline's stiffness), where it is unsure."""
        return float(np.abs(self.curvature_per_px[self._inside]).mean())

    @property
    def max_curvature_per_px(self) -> float:
        """Largest |κ| there."""
        return float(np.abs(self.curvature_per_px[self._inside]).max())

    @property
    def mean_curvature_per_nm(self) -> float | None:
        """As `mean_curvature_per_px`, in nm⁻¹."""
        return None if self.curvature_per_nm is None else float(np.abs(self.curvature_per_nm[self._inside]).mean())

    @property
    def max_curvature_per_nm(self) -> float | None:
        """As `max_curvature_per_px`, in nm⁻¹."""
        return None if self.curvature_per_nm is None else float(np.abs(self.curvature_per_nm[self._inside]).max())

    @cached_property
    def radius_px(self) -> float | None:
        """Radius of the osculating circle at the middle of the line; None where it is straight there.

        Of the mean curvature over 40 px (half of a shorter line), over which the steps of the mask's pixels cancel.
        """
        return _radius(self.spline, self._middle)

    @cached_property
    def radius_nm(self) -> float | None:
        """The same in nm."""
        return None if self.spline_nm is None or self.radius_px is None else _radius(self.spline_nm, self._middle)

    @property
    def _middle(self) -> FloatArray:
        half = min(_MIDDLE_PX / max(self.length_px, 1e-9), 0.5) / 2
        return np.interp(np.linspace(0.5 - half, 0.5 + half, 31), np.linspace(0, 1, 201), self.spline.parameters(201))

    @property
    def _inside(self) -> slice:
        skip = min(int(np.ceil(SMOOTH_PX / max(self.length_px, 1e-9) * (POINTS - 1))), POINTS // 4)
        return slice(skip, POINTS - skip)


def _radius(spline: Spline, stretch: FloatArray) -> float | None:
    curvature = abs(float(spline.curvature(stretch).mean()))
    return 1 / curvature if curvature * _STRAIGHT > 1 else None


def measured(
    line: Line,
    height: int,
    width: int,
    *,
    scale: tuple[float, float] = (1.0, 1.0),
    pixel_size_nm: tuple[float, float] | None = None,
) -> MeasuredLine:
    """The measures of a line.

    Parameters
    ----------
    line: in the pixels of the picture that the network saw.
    height, width: of the micrograph.
    scale: network pixels per micrograph pixel, in x and y.
    pixel_size_nm: of a micrograph pixel in x and in y; without it nothing is given in nm.
    """
    inverse = (1 / scale[0], 1 / scale[1])
    spline = line.spline.moved(scale=inverse, shift=(0.5 * inverse[0] - 0.5, 0.5 * inverse[1] - 0.5))
    (x, y), (right, bottom) = spline.points().min(axis=0), spline.points().max(axis=0)
    near = _EDGE_PX + line.width_px / 2 * max(inverse)
    return MeasuredLine(
        spline=spline,
        spline_nm=None if pixel_size_nm is None else spline.moved(scale=pixel_size_nm),
        score=line.score,
        width_px=line.width_px * float(np.sqrt(inverse[0] * inverse[1])),
        touches_edge=bool(min(x, y) < near or right > width - 1 - near or bottom > height - 1 - near),
    )


@dataclass(frozen=True, eq=False)
class LineStatistics:
    """Numbers of all lines of a picture. What needs a pixel size is None without one.

    density_per_px, density_per_nm: length of all lines per area of the picture. length_*, curvature_*: how they are
    spread over the lines (of the curvature, the mean along each). distances_px: mean distance of the 50 points of
    every two lines, (n, n). nearest_*: the distance to the nearest other line, of each line; None for fewer than two.
    """

    count: int
    total_length_px: float
    total_length_nm: float | None
    density_per_px: float
    density_per_nm: float | None
    length_px: Distribution | None
    length_nm: Distribution | None
    curvature_per_px: Distribution | None
    curvature_per_nm: Distribution | None
    distances_px: FloatArray
    distances_nm: FloatArray | None
    nearest_px: Distribution | None
    nearest_nm: Distribution | None


def describe(
    lines: Sequence[MeasuredLine], height: int, width: int, *, pixel_size_nm: tuple[float, float] | None = None
) -> LineStatistics:
    """Numbers of all lines of a picture of that size."""
    lengths = [line.length_px for line in lines]
    distances = paired_distances([line.points_px for line in lines])
    lengths_nm, curvatures_nm, distances_nm, area_nm2 = None, None, None, None
    if pixel_size_nm is not None:
        area_nm2 = height * width * pixel_size_nm[0] * pixel_size_nm[1]
        lengths_nm = [line.length_nm for line in lines if line.length_nm is not None]
        curvatures_nm = [line.mean_curvature_per_nm for line in lines if line.mean_curvature_per_nm is not None]
        distances_nm = paired_distances([line.points_nm for line in lines if line.points_nm is not None])
    return LineStatistics(
        count=len(lines),
        total_length_px=float(sum(lengths)),
        total_length_nm=None if lengths_nm is None else float(sum(lengths_nm)),
        density_per_px=float(sum(lengths)) / (height * width),
        density_per_nm=None if lengths_nm is None or area_nm2 is None else float(sum(lengths_nm)) / area_nm2,
        length_px=distribution(lengths, bin_width=LENGTH_BIN_PX),
        length_nm=None if lengths_nm is None else distribution(lengths_nm, bin_width=LENGTH_BIN_NM),
        curvature_per_px=distribution([line.mean_curvature_per_px for line in lines], bin_width=0.002),
        curvature_per_nm=None if curvatures_nm is None else distribution(curvatures_nm, bin_width=0.002),
        distances_px=distances,
        distances_nm=distances_nm,
        nearest_px=distribution(_nearest(distances), bin_width=LENGTH_BIN_PX),
        nearest_nm=None if distances_nm is None else distribution(_nearest(distances_nm), bin_width=LENGTH_BIN_NM),
    )


def _nearest(distances: FloatArray) -> FloatArray:
    if len(distances) < 2:
        return np.zeros(0)
    return np.asarray(np.where(np.eye(len(distances), dtype=bool), np.inf, distances).min(axis=1))
