"""Convex hulls of many sets of points at once, and their largest and smallest widths (Feret diameters)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Hulls:
    """Convex polygons of N sets of points, one after the other.

    corners: (P, 2) x and y; each polygon from its leftmost corner along smaller y to its rightmost, and back.
    number: (N,) how many corners are whose. forth: (N,) how many of its sides lead to the rightmost corner.
    """

    corners: FloatArray
    number: IntArray
    forth: IntArray

    def ferets(self, scale_x: float = 1.0, scale_y: float = 1.0) -> tuple[FloatArray, FloatArray]:
        """Largest and smallest distance of two parallel lines that enclose each polygon, (N,) both.

        Both show at a side and the corner farthest from it: the smallest is the distance of these two, the largest that
        of one of the side's ends and that corner, or one of its neighbours where a side lies opposite in parallel.
        """
        points = self.corners * (scale_x, scale_y)
        ends = np.cumsum(self.number)
        starts = ends - self.number
        owner = np.repeat(np.arange(self.number.size), self.number)
        at = np.arange(len(points))
        after, before = at + 1, at - 1
        after[ends - 1], before[starts] = starts, ends - 1
        side = points[after] - points
        # the direction of the sides rises all around, from -90° to 270°
        direction = np.arctan2(side[:, 1], side[:, 0])
        back = at >= (starts + self.forth)[owner]
        direction[back & (direction < 0)] += 2 * np.pi
        opposite = direction + np.where(back, -np.pi, np.pi)
        # the first side that turns as far begins at the farthest corner
        farthest = np.searchsorted(8 * owner + direction, 8 * owner + opposite)
        farthest = np.where(farthest == ends[owner], starts[owner], farthest)
        across = points[farthest] - points
        width = np.abs(side[:, 0] * across[:, 1] - side[:, 1] * across[:, 0]) / np.hypot(side[:, 0], side[:, 1])
        far = np.array([points[i] for i in (before[farthest], farthest, after[farthest])])
        reach = np.maximum(_squares(far - points), _squares(far - points[after])).max(axis=0)
        return np.sqrt(np.maximum.reduceat(reach, starts)), np.minimum.reduceat(width, starts)


def hulls(points: FloatArray, number: IntArray) -> Hulls:
    """The hulls of sets of points.

    Parameters
    ----------
    points: (P, 2) x and y, one set after the other. number: (N,) how many are whose, two or more that differ.
    """
    owner = np.repeat(np.arange(number.size), number)
    order = np.lexsort((points[:, 1], points[:, 0], owner))
    x, y = points[order].T
    forth, back = _chain(x, y, owner), _chain(x, -y, owner)
    sides_forth, sides_back = (np.bincount(owner[chain], minlength=number.size) - 1 for chain in (forth, back))
    # each chain without its last corner, with which the other one begins
    returning = back[::-1]
    parts = [chain[np.append(owner[chain[1:]] == owner[chain[:-1]], False)] for chain in (forth, returning)]
    corners = np.concatenate(parts)
    corners = corners[np.argsort(owner[corners], kind="stable")]
    # stable: of each owner the way forth stays before the way back, whose owners come last to first
    return Hulls(points[order[corners]], sides_forth + sides_back, sides_forth)


def _chain(x: FloatArray, y: FloatArray, owner: IntArray) -> IntArray:
    """Of points in the order of owner, x and y: those on each owner's hull from the first to the last along small y.

    A point on or above the line between its neighbours is not on it, and can go. Only every second one is looked at in
    one round: of two that are the same, one must stay.
    """
    kept = np.arange(x.size)
    parity = idle = 0
    while idle < 2:
        middle = np.arange(1 + parity, kept.size - 1, 2)
        a, b, c = kept[middle - 1], kept[middle], kept[middle + 1]
        turn = (x[b] - x[a]) * (y[c] - y[b]) - (y[b] - y[a]) * (x[c] - x[b])
        gone = middle[(turn <= 0) & (owner[a] == owner[c])]
        kept = np.delete(kept, gone)
        parity, idle = 1 - parity, 0 if gone.size else idle + 1
    return kept


def _squares(vectors: FloatArray) -> FloatArray:
    return vectors[..., 0] ** 2 + vectors[..., 1] ** 2
