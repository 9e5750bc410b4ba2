"""A dislocation line as it is found, and where two of them run together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from analysis.dislocations.splines import Spline, fit
from analysis.masks import Mask, union
from analysis.overlaps import intersection_px

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_STEP_PX = 3.0  # apart are the points by which lines are compared
_DIRECTION_PX = 15.0  # over this length the direction of an end is taken


@dataclass(frozen=True, eq=False)
class Line:
    """One line, in the pixels of the picture that the network saw.

    path: (n, 2) ordered points x, y along the middle. mask: its pixels. score: mean probability over them.
    evidence: sum over them of 2·probability - 1: a pixel that is sure counts one, one at the threshold nothing, so
    that of two finds of a line the longer wins unless it is the less sure.
    """

    path: FloatArray
    mask: Mask
    score: float
    evidence: float

    @cached_property
    def spline(self) -> Spline:
        """The smooth curve along the path."""
        return fit(self.path)

    @property
    def length_px(self) -> float:
        """Length of the curve: the path itself is longer, as the mask's pixels make steps."""
        return self.spline.length

    @cached_property
    def width_px(self) -> float:
        """Mean width of the mask."""
        return self.mask.area_px / max(self.length_px, 1.0)

    @cached_property
    def sparse(self) -> FloatArray:
        """Points at equal distances of about 3 px on the curve, ends included."""
        return self.spline.points(max(2, round(self.length_px / _STEP_PX) + 1))

    @cached_property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the path."""
        (left, top), (right, bottom) = self.path.min(axis=0).tolist(), self.path.max(axis=0).tolist()
        return left, top, right, bottom

    def end(self, last: bool) -> FloatArray:
        """The first or the last point, (2,)."""
        return np.asarray(self.path[-1 if last else 0])

    def outward(self, last: bool) -> FloatArray:
        """Unit vector in which the line leaves its first or its last point."""
        points = self.sparse[::-1] if last else self.sparse
        back = min(round(_DIRECTION_PX / _STEP_PX), len(points) - 1)
        step = points[0] - points[back]
        return np.asarray(step / max(float(np.hypot(*step)), 1e-9))

    def moved(self, dx: int, dy: int) -> Line:
        """The same line elsewhere: from a tile's pixels to the picture's."""
        if dx == dy == 0:
            return self
        return Line(self.path + np.array((dx, dy)), self.mask.moved(dx, dy), self.score, self.evidence)

    def reversed(self) -> Line:
        """The same line from its other end."""
        return self._reversed

    @cached_property
    def _reversed(self) -> Line:
        return Line(self.path[::-1], self.mask, self.score, self.evidence)


def dice_loss(a: Mask, b: Mask) -> float:
    """1 - 2·|a ∩ b| / (|a| + |b|): 0 for equal masks, 1 for masks without a common pixel."""
    both = a.area_px + b.area_px
    return 1 - 2 * intersection_px(a, b) / both if both else 0.0


def beside(a: Line, b: Line, reach_px: float) -> tuple[BoolArray, BoolArray]:
    """Which of `a.sparse` lie within a distance of line b, and which of `b.sparse` within that of line a."""
    close = cdist(a.sparse, b.sparse) <= np.hypot(reach_px, _STEP_PX / 2)
    return close.any(axis=1), close.any(axis=0)


def near(a: Line, b: Line, margin_px: float) -> bool:
    """Whether the boxes of two lines come within a distance of each other: a quick test before slower ones."""
    (left, top, right, bottom), other = a.box, b.box
    return (
        left - other[2] <= margin_px
        and other[0] - right <= margin_px
        and top - other[3] <= margin_px
        and other[1] - bottom <= margin_px
    )


def united(path: FloatArray, parts: Sequence[Line]) -> Line:
    """One line along `path` for several finds of its parts."""
    mask = union(part.mask for part in parts)
    area = sum(part.mask.area_px for part in parts)
    shared = mask.area_px / max(area, 1)  # where finds overlap, a pixel counts once
    return Line(
        path=path,
        mask=mask,
        score=sum(part.score * part.mask.area_px for part in parts) / max(area, 1),
        evidence=shared * sum(part.evidence for part in parts),
    )
