"""How far two lines are apart, and how far a line has moved.

Lines are given by their points (n, 2) at equal distances, x and y in px or in nm; n is the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_SAME_LENGTH = 0.01  # lines whose lengths differ by less are compared end to end
_STARTS = 21  # places of the shorter line along the longer one that are tried
_ENDS = 0.01  # weight of the lines' ends beside that of their sides, where a displacement is fitted to both
_FITS = 6  # times that the nearest places are looked for again
_ROUGH_PX = 1.0  # places that a fit leaves farther off than this count less
_FEWEST = 10  # places that a fit needs
_STAY = 0.05  # how much a shift costs beside a change of shape, where a straight line could lie anywhere along another


def oriented(points: FloatArray, like: FloatArray) -> FloatArray:
    """The points in the order, from either end, in which they lie nearer to those of another line."""
    return points if _pointwise(points, like) <= _pointwise(points[::-1], like) else points[::-1]


def paired_distance(a: FloatArray, b: FloatArray) -> float:
    """Mean distance between the first points, the second points, and so on, of two lines that run the same way.

    The distance of the published figure: two lines of a pile-up that are moved copies have the length of that move.
    """
    return min(_pointwise(a, b), _pointwise(a[::-1], b))


def paired_distances(lines: Sequence[FloatArray]) -> FloatArray:
    """`paired_distance` of every two lines, (n, n), symmetric, 0 on the diagonal."""
    if not lines:
        return np.zeros((0, 0))
    points = np.stack(lines)
    distances = np.zeros((len(points), len(points)))
    for k, one in enumerate(points):
        along = np.hypot(*np.moveaxis(points[k:] - one, -1, 0)).mean(axis=1)
        against = np.hypot(*np.moveaxis(points[k:] - one[::-1], -1, 0)).mean(axis=1)
        distances[k, k:] = distances[k:, k] = np.minimum(along, against)
    np.fill_diagonal(distances, 0.0)
    return distances


def symmetric_distance(a: FloatArray, b: FloatArray) -> tuple[float, float]:
    """Mean and largest distance from each line to the nearest place on the other, both ways taken alike.

    The mean is that of the two means, so that a short piece of a long line is not near to it; the largest is
    Hausdorff's distance.

    Parameters
    ----------
    a, b: points (n, 2) and (m, 2), as dense as the answer is to be exact.
    """
    there, back = cKDTree(b).query(a)[0], cKDTree(a).query(b)[0]
    return float((there.mean() + back.mean()) / 2), float(max(there.max(), back.max()))


@dataclass(frozen=True, eq=False)
class Move:
    """How a line came from one place to another.

    dx, dy: mean displacement of the points that both finds have. distance: their mean distance. residual: root mean
    square of what the mean displacement leaves: the change of shape. against: the second was given from its other end.
    """

    dx: float
    dy: float
    distance: float
    residual: float
    against: bool


def move(before: FloatArray, after: FloatArray, *, glide: FloatArray | None = None) -> Move:
    """The displacement of a line between two finds of it.

    Where one find is longer, because an end was missed in the other, the shorter one is laid along it where their
    shapes agree best, so that the missing end is not taken for motion. A straight line could lie anywhere along
    another one: of such places the nearest is taken, or the one that the glide direction leads to.

    Parameters
    ----------
    before, after: (n, 2) points.
    glide: (2,) unit vector in which the line glides, where it is known; its sign does not matter.
    """
    best: tuple[float, Move] | None = None
    for against in (False, True):
        cost, found = _laid(before, after[::-1] if against else after, against, glide)
        if best is None or cost < best[0]:
            best = cost, found
    assert best is not None
    return best[1]


def fitted(before: FloatArray, after: FloatArray, start: FloatArray) -> FloatArray:
    """The displacement (2,) that lays a line on a later find of it, fitted to how far its sides have moved.

    Where a line ends is found far less exactly than where it runs, so the ends decide only what the sides do not tell:
    how far a line has moved along itself. Found as in Y. Chen & G. Medioni, Image Vis. Comput. 10 (1992) 145, from each
    point to the nearest place of the other line and only across it; places off the other line's ends do not count.

    Parameters
    ----------
    before, after: (n, 2) points.
    start: (2,) displacement by the ends, as `move` gives it.
    """
    steps = np.diff(after, axis=0)
    squares = np.maximum((steps**2).sum(axis=1), 1e-12)
    normals = np.column_stack([steps[:, 1], -steps[:, 0]]) / np.sqrt(squares)[:, None]
    shift = start
    for _ in range(_FITS):
        place = before + shift
        along = ((place[:, None] - after[None, :-1]) * steps).sum(axis=2) / squares
        feet = after[None, :-1] + np.clip(along, 0, 1)[..., None] * steps
        every = np.arange(len(place))
        nearest = ((feet - place[:, None]) ** 2).sum(axis=2).argmin(axis=1)
        off = ((nearest == 0) & (along[every, nearest] < 0)) | (
            (nearest == len(steps) - 1) & (along[every, nearest] > 1)
        )
        if np.count_nonzero(~off) < _FEWEST:
            return start
        across = normals[nearest[~off]]
        needed = (across * (feet[every, nearest] - before)[~off]).sum(axis=1)
        weights = 1 / np.maximum(np.abs(needed - across @ shift), _ROUGH_PX)
        weights /= weights.sum()
        shift = np.linalg.solve(
            (across * weights[:, None]).T @ across + _ENDS * np.eye(2),
            (across * weights[:, None]).T @ needed + _ENDS * start,
        )
    return np.asarray(shift, np.float64)


def _pointwise(a: FloatArray, b: FloatArray) -> float:
    return float(np.hypot(*(a - b).T).mean())


def _laid(before: FloatArray, after: FloatArray, against: bool, glide: FloatArray | None) -> tuple[float, Move]:
    """The best place of the shorter line along the longer one, both running the same way, and what it costs."""
    lengths = _length(before), _length(after)
    ratio = min(lengths) / max(*lengths, 1e-9)
    if ratio > 1 - _SAME_LENGTH:
        steps = (after - before)[None]
    else:
        short, long = (before, after) if lengths[0] < lengths[1] else (after, before)
        at = np.linspace(0, 1 - ratio, _STARTS)[:, None] + ratio * np.linspace(0, 1, len(short))[None, :]
        index = at * (len(long) - 1)
        low = np.minimum(index.astype(np.intp), len(long) - 2)
        pieces = long[low] + (index - low)[..., None] * (long[low + 1] - long[low])
        steps = pieces - short if lengths[0] < lengths[1] else short - pieces
    mean = steps.mean(axis=1)
    spread = ((steps - mean[:, None]) ** 2).sum(axis=2).mean(axis=1)
    aside = mean if glide is None else mean - (mean @ glide)[:, None] * glide
    cost = spread + _STAY * (aside**2).sum(axis=1)
    k = int(np.argmin(cost))
    distance = float(np.hypot(*steps[k].T).mean())
    return float(cost[k]), Move(float(mean[k, 0]), float(mean[k, 1]), distance, float(np.sqrt(spread[k])), against)


def _length(points: FloatArray) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())
