"""Closed lines at a level around many pieces at once: marching squares without a loop over squares.

`skimage.measure.find_contours` does the same for one array and links the segments one by one; for hundreds of small
maps that linking, and the call for each, are most of the time of a request.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_EIGHT = np.ones((3, 3), bool)

# Sides of a square of four cells, and the segments in it by which of its cells are inside: 1 upper left, 2 upper right,
# 4 lower left, 8 lower right. A segment has the inside to its right as seen on the screen, so that it enters a square
# through the side that one of the neighbour leaves by. Cells inside that touch at a corner are connected.
_TOP, _RIGHT, _BOTTOM, _LEFT = range(4)
_SEGMENTS: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((_TOP, _LEFT),),
    2: ((_RIGHT, _TOP),),
    3: ((_RIGHT, _LEFT),),
    4: ((_LEFT, _BOTTOM),),
    5: ((_TOP, _BOTTOM),),
    6: ((_LEFT, _TOP), (_RIGHT, _BOTTOM)),
    7: ((_RIGHT, _BOTTOM),),
    8: ((_BOTTOM, _RIGHT),),
    9: ((_TOP, _RIGHT), (_BOTTOM, _LEFT)),
    10: ((_BOTTOM, _TOP),),
    11: ((_BOTTOM, _LEFT),),
    12: ((_LEFT, _RIGHT),),
    13: ((_TOP, _RIGHT),),
    14: ((_LEFT, _TOP),),
}
_TABLE = np.full((2, 16, 2), -1)  # entered and left by: which side, by case, for the first and the second segment
for _case, _segments in _SEGMENTS.items():
    _TABLE[:, _case, : len(_segments)] = np.transpose(_segments)
_ENTERED, _LEFT_BY = _TABLE


def rings(canvas: npt.NDArray[Any], owner: IntArray, level: float) -> tuple[FloatArray, IntArray]:
    """The line around the largest piece of every owner; holes do not count.

    Parameters
    ----------
    canvas: (rows, columns), the owners' arrays one below the other; each has cells of nothing all around and one cell
        or more that reaches the level.
    owner: (rows,) which owner's each row is: 0, 1, 2, ….
    level: inside is what reaches it.

    Returns
    -------
    (P, 2) points x, y in cells of the canvas, owner after owner, and (owners,) how many are whose.
    """
    inside, values = _whole(canvas, owner, level)
    corners = inside.view(np.uint8)
    case = corners[:-1, :-1] + 2 * corners[:-1, 1:] + 4 * corners[1:, :-1] + 8 * corners[1:, 1:]
    row, column = np.nonzero((case > 0) & (case < 15))
    kind, width = case[row, column], canvas.shape[1]
    two = (kind == 6) | (kind == 9)
    # a side of a square is the step from a cell to the next one to the right (even numbers) or below (odd ones)
    numbers = np.array((0, 3, 2 * width, 1))
    cell = 2 * (row * width + column)
    entered, left_by = (
        np.concatenate((cell + numbers[table[kind, 0]], cell[two] + numbers[table[kind[two], 1]]))
        for table in (_ENTERED, _LEFT_BY)
    )
    which = np.concatenate((owner[row], owner[row[two]]))
    segment = np.empty(2 * canvas.size, np.intp)
    segment[entered] = np.arange(entered.size)
    order, number = _linked(segment[left_by], which)
    return _crossings(values, entered[order], level), number


def _whole(canvas: npt.NDArray[Any], owner: IntArray, level: float) -> tuple[npt.NDArray[np.bool_], npt.NDArray[Any]]:
    """Which cells are inside each owner's largest piece or a hole of it, and the canvas without all other pieces."""
    pieces, count = ndimage.label(canvas >= level, structure=_EIGHT)
    inside = pieces > 0
    values = canvas
    if count > owner[-1] + 1:
        area = np.bincount(pieces.ravel())[1:]
        row, column = np.nonzero(inside)
        whose = np.empty(count, np.intp)
        whose[pieces[row, column] - 1] = owner[row]
        best = np.lexsort((-area, whose))  # each owner's largest piece comes first
        kept = np.zeros(count + 1, bool)
        kept[1 + best[np.diff(whose[best], prepend=-1) > 0]] = True
        largest = kept[pieces]
        values = np.where(inside & ~largest, 0, values)
        inside = largest
    background, count = ndimage.label(~inside)
    if count > 1:
        holes = background > 1  # the first is what lies around everything, from the corner on
        values = np.where(holes, 1, values)
        inside = inside | holes
    return inside, values


def _linked(following: IntArray, owner: IntArray) -> tuple[IntArray, IntArray]:
    """Order of segments along the one ring of each owner, owner after owner, and how many are whose.

    The distance of each to the end of its ring is found by looking twice as far ahead in every round.
    """
    number = np.bincount(owner)
    first = np.full(number.size, -1)
    first[owner[::-1]] = np.arange(owner.size)[::-1]
    is_last = following == first[owner]
    ahead = np.where(is_last, np.arange(owner.size), following)
    distance = np.where(is_last, 0, 1)
    for _ in range(int(number.max()).bit_length()):
        distance += distance[ahead]
        ahead = ahead[ahead]
    order = np.empty(owner.size, np.intp)
    order[np.cumsum(number)[owner] - 1 - distance] = np.arange(owner.size)
    return order, number


def _crossings(values: npt.NDArray[Any], sides: IntArray, level: float) -> FloatArray:
    """Where the level is passed between the two cells of each side, linearly interpolated."""
    width = values.shape[1]
    cell, down = sides >> 1, sides & 1
    flat = values.ravel()
    one = flat[cell].astype(np.float64)
    other = flat[cell + np.where(down, width, 1)].astype(np.float64)
    # a cell at the very level would make a line without area
    part = (level * (1 - 1e-9) - one) / (other - one)
    row, column = np.divmod(cell, width)
    return np.column_stack((column + np.where(down, 0.0, part), row + np.where(down, part, 0.0)))
