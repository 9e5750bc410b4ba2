"""Lines that run on into a slip trace, cut off where they leave it.

A dislocation ends where its slip plane cuts a surface of the foil, and there the step that it left behind begins: the
trace. Where the trace is as dark as the line, a network goes on along it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from analysis.dislocations.lines import Line
from analysis.masks import decode, encode

FloatArray = npt.NDArray[np.float64]

_SHORTEST_PX = 20.0  # of a stretch along a trace: a line's own end may bend over less
_SAG_PX = 2.0  # a straight stretch stays this close to its chord
_LARGEST_PART = 0.7  # of the line: what is more is a line with a bent end
_CORNER_DEG = 35.0  # at least, between the trace and the line that leaves it
_CROSSING_DEG = 25.0  # at least, between the trace and another line that ends on it
_GOES_PX = 60.0  # over this length its direction is taken: it may run along the trace as well, for a while
_CORNER_PX = 6.0  # that a spline takes around a corner
_AFTER_PX = 15.0  # over this length the direction of the line behind the corner is taken
_ON_AXIS_PX = 6.0  # so close to the trace's axis are the ends of the other lines of its pile-up,
_ON_AXIS = 0.03  # and this part of their distance, as the direction of a short stretch is unsure
_APART_PX = 12.0  # ends closer to the corner than this say nothing of a direction


def without_trace_ends(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """The lines without the stretches that run along a slip trace, and those stretches.

    A stretch at an end of a line runs along a trace where it is straight, leaves the line in a corner of at least 35°,
    and another line ends on its axis and comes from the same side: the lines of a pile-up lie between its traces, and
    their ends on them.

    Parameters
    ----------
    lines: all that were found in a picture.
    """
    kept: list[Line] = []
    cut_off: list[Line] = []
    ends = [
        [(line.end(last), _goes(line.sparse[::-1] if last else line.sparse)) for last in (False, True)]
        for line in lines
    ]
    for number, line in enumerate(lines):
        others = [end for both in (*ends[:number], *ends[number + 1 :]) for end in both]
        for last in (False, True):
            corner = _corner(line.sparse[::-1] if last else line.sparse, others)
            if corner is not None:
                line, stretch = _divided(line.reversed() if last else line, corner)
                cut_off.append(stretch)
        kept.append(line)
    return kept, cut_off


def _corner(points: FloatArray, ends: Sequence[tuple[FloatArray, FloatArray]]) -> FloatArray | None:
    """Where a line (n, 2) leaves the trace that it begins with, (2,); None where it begins with none.

    `ends`: of the other lines, and the directions in which those go from there.
    """
    step = float(np.hypot(*(points[1] - points[0])))
    count = _straight(points)
    after = count - 1 + round(_CORNER_PX / step)
    behind = after + round(_AFTER_PX / step)
    if count * step < _SHORTEST_PX or count > _LARGEST_PART * len(points) or behind >= len(points):
        return None
    corner = points[count - 1]
    along = _unit(points[0] - corner)
    across = np.array((-along[1], along[0]))
    leaves = _unit(points[behind] - points[after])
    if -float(along @ leaves) > np.cos(np.radians(_CORNER_DEG)):
        return None
    side = np.sign(float(across @ leaves))
    for end, goes in ends:
        far, aside = abs(float(along @ (end - corner))), abs(float(across @ (end - corner)))
        same_side = side * float(across @ goes) > np.sin(np.radians(_CROSSING_DEG))
        if same_side and far > _APART_PX and aside < _ON_AXIS_PX + _ON_AXIS * far:
            return np.asarray(corner)
    return None


def _goes(points: FloatArray) -> FloatArray:
    """Unit vector in which a line (n, 2) goes from its beginning."""
    step = float(np.hypot(*(points[1] - points[0])))
    return _unit(points[min(round(_GOES_PX / step), len(points) - 1)] - points[0])


def _straight(points: FloatArray) -> int:
    """How many points from the first on lie within 2 px of the chord from the first to the last of them."""
    count = 2
    while count < len(points):
        chord = _unit(points[count] - points[0])
        away = (points[1:count] - points[0]) @ (-chord[1], chord[0])
        if float(np.abs(away).max()) > _SAG_PX:
            break
        count += 1
    return count


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / max(float(np.hypot(*vector)), 1e-9))


def _divided(line: Line, corner: FloatArray) -> tuple[Line, Line]:
    """A line behind a corner, and its stretch before it; every pixel goes to the nearer of the two."""
    at = int(np.clip(np.argmin(np.hypot(*(line.path - corner).T)), 1, len(line.path) - 2))
    pixels = decode(line.mask)
    rows, columns = np.nonzero(pixels)
    places = np.column_stack([columns + line.mask.x_px, rows + line.mask.y_px])
    before = np.zeros_like(pixels)
    nearest = cKDTree(line.path).query(places)[1]
    before[rows[nearest < at], columns[nearest < at]] = True
    parts = []
    for path, part in ((line.path[at:], pixels & ~before), (line.path[: at + 1], before)):
        mask = encode(part, x_px=line.mask.x_px, y_px=line.mask.y_px)
        share = mask.area_px / max(line.mask.area_px, 1)
        parts.append(Line(path=path, mask=mask, score=line.score, evidence=share * line.evidence))
    return parts[0], parts[1]
