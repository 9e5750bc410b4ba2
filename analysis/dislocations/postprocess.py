"""Maps of a network, one for each line → lines.

Threshold, specks out, each map cut into the lines that it holds, pieces of one line joined, and of several maps of
one line the best kept. Repeats are dropped after the maps are cut, not before: two maps that share a line and hold
another one each are no repeats, and neither of those lines may be lost with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage as ndi
from scipy.spatial import cKDTree

from analysis.dislocations.joining import each_once, pieces_joined
from analysis.dislocations.lines import Line
from analysis.dislocations.skeletons import centre_lines
from analysis.masks import encode

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

THRESHOLD = 0.5
_HOLE_PX = 30  # holes up to this area are noise: a skeleton would run around them on both sides
_EVERYWHERE = np.ones((3, 3), int)


@dataclass(frozen=True)
class Rules:
    """What counts as a line, in pixels of the picture that the network sees.

    threshold: of the maps, 0 to 1. speck_px: smallest area of a piece. piece_px: shortest piece before the joining.
    shortest_px: shortest line. gap_px: widest gap between pieces of one map that are joined. gap_between_px: the same
    for pieces of different maps or tiles.
    """

    threshold: float = THRESHOLD
    speck_px: int = 15
    piece_px: float = 6.0
    shortest_px: float = 20.0
    gap_px: float = 30.0
    gap_between_px: float = 15.0


DEFAULTS = Rules()


def find_lines(maps: npt.NDArray[np.generic], rules: Rules = DEFAULTS) -> list[Line]:
    """The lines in the maps of a network, those with the most evidence first.

    Parameters
    ----------
    maps: (N, height, width) probabilities 0 to 1, or booleans.
    rules: what counts as a line.
    """
    found = [line for one in maps for line in lines_of_map(one, rules)]
    return long_enough(each_once(found, gap_px=rules.gap_between_px), rules)


def long_enough(lines: list[Line], rules: Rules = DEFAULTS) -> list[Line]:
    """Lines that reach the shortest length, those with the most evidence first."""
    return sorted((line for line in lines if line.length_px >= rules.shortest_px), key=lambda line: -line.evidence)


def lines_of_map(one: npt.NDArray[np.generic], rules: Rules = DEFAULTS) -> list[Line]:
    """The lines in one map (height, width): its pieces, cut where lines meet and joined where a line is broken."""
    is_set = one if one.dtype == bool else np.greater(one, rules.threshold)
    box = _box(is_set)
    if box is None:
        return []
    top, left = box[0].start, box[1].start
    labels, _ = ndi.label(is_set[box], _EVERYWHERE)
    pieces: list[Line] = []
    for number, area in enumerate(ndi.find_objects(labels), start=1):
        part = labels[area] == number
        if part.sum() < rules.speck_px:
            continue
        probability = np.asarray(one[box][area], np.float64)
        y, x = top + area[0].start, left + area[1].start
        pieces += [line.moved(x, y) for line in _lines_of_piece(_filled(part), probability, rules)]
    return pieces_joined(pieces, gap_px=rules.gap_px)


def _box(is_set: npt.NDArray[np.generic]) -> tuple[slice, slice] | None:
    rows = np.flatnonzero(is_set.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(is_set[rows[0] : rows[-1] + 1].any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _filled(part: BoolArray) -> BoolArray:
    """A piece without its small holes."""
    holes, count = ndi.label(~np.pad(part, 1))
    if count < 2:
        return part
    small = np.bincount(holes.ravel()) <= _HOLE_PX
    small[[0, holes[0, 0]]] = False
    return np.asarray(part | small[holes][1:-1, 1:-1])


def _lines_of_piece(part: BoolArray, probability: FloatArray, rules: Rules) -> list[Line]:
    """The lines in one connected piece; every pixel belongs to the nearest of them."""
    paths = centre_lines(part, shortest_px=rules.piece_px)
    if not paths:
        return []
    if len(paths) == 1:
        return [_line(paths[0], part, probability)]
    rows, columns = np.nonzero(part)
    owner = np.repeat(np.arange(len(paths)), [len(path) for path in paths])
    nearest = owner[cKDTree(np.concatenate(paths)).query(np.column_stack([columns, rows]))[1]]
    lines = []
    for k, path in enumerate(paths):
        own = np.zeros_like(part)
        own[rows[nearest == k], columns[nearest == k]] = True
        lines.append(_line(path, own, probability))
    return lines


def _line(path: FloatArray, part: BoolArray, probability: FloatArray) -> Line:
    inside = probability[part]
    return Line(
        path=path,
        mask=encode(part),
        score=float(inside.mean()) if inside.size else 0.0,
        evidence=float((2 * inside - 1).sum()),
    )
