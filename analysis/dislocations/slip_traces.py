"""Slip traces, told from dislocation lines.

A trace is the step that glide leaves where the slip plane cuts a surface of the foil: it is straight, the lines of the
pile-up end on it, and it runs in the direction in which they follow each other. A straight line is not rejected for
being straight alone, as a dislocation may be straight too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from analysis.dislocations.lines import Line

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_SHORTEST_PX = 30.0  # anything shorter looks straight
_SAG_PX = 2.0  # a straight line stays this close to its axis, or
_SAG = 0.008  # this part of its length
_CONTACT_PX = 6.0  # an end so close to a line ends on it
_INSIDE_PX = 12.0  # and inside of it where it is so far from its ends
_PARALLEL_DEG = 5.0
_CROSSING_DEG = 15.0  # a line that ends on a trace comes to it at more than this
_EDGE_PX = 4.0
_ACROSS = 0.6  # a straight line from edge to edge that is so long, in shorter sides of the picture, is a trace
_MOST_LINES = 60  # whose ends are paired for the direction of the pile-ups


def slip_traces(lines: Sequence[Line], height: int, width: int) -> BoolArray:
    """Which lines are slip traces, (n,) booleans.

    A straight line is one when two other lines end on it, or one ends on the inside of it; when it runs in the
    direction in which the ends of curved lines follow each other; or when it crosses the whole picture.

    Parameters
    ----------
    lines: all that were found in the picture.
    height, width: of the picture.
    """
    straight = np.array([is_straight(line) for line in lines], bool)
    curved = [line for line, flag in zip(lines, straight, strict=True) if not flag]
    glide = _pile_up_directions(curved, height, width) if straight.any() else np.zeros((0, 2))
    traces = np.zeros(len(lines), bool)
    for k in np.flatnonzero(straight).tolist():
        others = [line for i, line in enumerate(lines) if i != k]
        direction = _direction(lines[k])
        along = bool((np.abs(glide @ direction) > np.cos(np.radians(_PARALLEL_DEG))).any())
        touching, inside = _contacts(lines[k], direction, others)
        traces[k] = along or touching >= 2 or inside >= 1 or _crosses_picture(lines[k], height, width)
    return traces


def without_slip_traces(lines: Sequence[Line], height: int, width: int) -> list[Line]:
    """The lines that are no slip traces, in the same order."""
    return [line for line, trace in zip(lines, slip_traces(lines, height, width), strict=True) if not trace]


def is_straight(line: Line) -> bool:
    """Whether a line is long enough to tell, and stays within 2 px or 0.8 % of its length of its axis."""
    if line.length_px < _SHORTEST_PX:
        return False
    x, y = _direction(line)
    away = (line.sparse - line.sparse.mean(axis=0)) @ (-y, x)
    return float(np.abs(away).max()) <= max(_SAG_PX, _SAG * line.length_px)


def _direction(line: Line) -> FloatArray:
    """Unit vector along the points, by their principal axis."""
    centred = line.sparse - line.sparse.mean(axis=0)
    return np.asarray(np.linalg.svd(centred, full_matrices=False)[2][0])


def _contacts(line: Line, direction: FloatArray, others: Sequence[Line]) -> tuple[int, int]:
    """How many other lines end on this straight one, and how many of them on the inside of it."""
    middle = line.sparse.mean(axis=0)
    half = line.length_px / 2
    touching = inside = 0
    for other in others:
        for last in (False, True):
            offset = other.end(last) - middle
            along, across = float(offset @ direction), float(offset @ (-direction[1], direction[0]))
            if abs(across) > _CONTACT_PX or abs(along) > half + _CONTACT_PX:
                continue
            if abs(float(other.outward(last) @ direction)) > np.cos(np.radians(_CROSSING_DEG)):
                continue
            touching += 1
            inside += abs(along) < half - _INSIDE_PX
            break
    return touching, inside


def _pile_up_directions(curved: Sequence[Line], height: int, width: int) -> FloatArray:
    """Unit vectors in which lines of a pile-up follow each other, (n, 2).

    Where two lines are one after the other in a pile-up, the vectors between their first and between their last ends
    are parallel: both ends moved along a trace. Ends at the edge of the picture are not on a trace.
    """
    found = []
    for a, b in combinations(curved[:_MOST_LINES], 2):
        if _opposed(a, b):
            b = b.reversed()
        if any(_at_edge(line.end(last), height, width) for line in (a, b) for last in (False, True)):
            continue
        first, last = b.end(False) - a.end(False), b.end(True) - a.end(True)
        lengths = np.hypot(*first), np.hypot(*last)
        if min(lengths) < 2 * _CONTACT_PX:
            continue
        first, last = first / lengths[0], last / lengths[1]
        if first @ last > np.cos(np.radians(_PARALLEL_DEG)):
            found.append((first + last) / np.hypot(*(first + last)))
    return np.array(found, np.float64).reshape(-1, 2)


def _opposed(a: Line, b: Line) -> bool:
    """Whether the first end of one line answers to the last end of the other."""
    same = np.hypot(*(a.end(False) - b.end(False))) + np.hypot(*(a.end(True) - b.end(True)))
    turned = np.hypot(*(a.end(False) - b.end(True))) + np.hypot(*(a.end(True) - b.end(False)))
    return bool(turned < same)


def _at_edge(point: FloatArray, height: int, width: int) -> bool:
    x, y = point
    return bool(min(x, y) < _EDGE_PX or x > width - 1 - _EDGE_PX or y > height - 1 - _EDGE_PX)


def _crosses_picture(line: Line, height: int, width: int) -> bool:
    ends = line.end(False), line.end(True)
    return all(_at_edge(end, height, width) for end in ends) and line.length_px > _ACROSS * min(height, width)
