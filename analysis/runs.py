"""The pixels of many masks at once, as vertical runs: what can be counted or measured in one go needs no decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from analysis.masks import EMPTY, Mask

IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Runs:
    """Vertical runs of pixels, in the order of owner, column and row; no two of one owner share a pixel.

    owner: (R,) number of the mask that each belongs to. column, top, bottom: (R,) in the picture's pixels; bottom is
    the row after the last.
    """

    owner: IntArray
    column: IntArray
    top: IntArray
    bottom: IntArray

    def areas(self, owners: int) -> IntArray:
        """Number of pixels of each of so many owners."""
        return np.bincount(self.owner, self.bottom - self.top, minlength=owners).astype(np.intp)

    def of(self, owners: IntArray) -> Runs:
        """The runs of some owners, which may repeat; what `owners[k]` had here belongs to k there."""
        first = np.searchsorted(self.owner, owners)
        number = np.searchsorted(self.owner, owners, side="right") - first
        index = ranges(first, number)
        return Runs(np.repeat(np.arange(len(owners)), number), self.column[index], self.top[index], self.bottom[index])

    def within(self, rectangles: IntArray) -> Runs:
        """What lies in each owner's own rectangle; (owners, 4) left, top, right, bottom, the last two exclusive."""
        left, upper, right, lower = rectangles[self.owner].T
        top, bottom = np.maximum(self.top, upper), np.minimum(self.bottom, lower)
        kept = (self.column >= left) & (self.column < right) & (top < bottom)
        return Runs(self.owner[kept], self.column[kept], top[kept], bottom[kept])


def ranges(first: IntArray, number: IntArray) -> IntArray:
    """first[0], first[0] + 1, … number[0] of them, then those from first[1], and so on."""
    ends = np.cumsum(number)
    return np.repeat(first - ends + number, number) + np.arange(ends[-1] if ends.size else 0)


def runs_of(masks: Sequence[Mask]) -> Runs:
    """The runs of some masks; a run that goes on in the next column is one in each."""
    numbers = np.array([len(mask.counts) for mask in masks], np.intp)
    counts = np.fromiter(chain.from_iterable(mask.counts for mask in masks), np.intp, int(numbers.sum()))
    place = np.array([(m.x_px, m.y_px, max(m.height_px, 1)) for m in masks], np.intp).reshape(-1, 3)
    owner = np.repeat(np.arange(len(masks)), numbers)
    bounds = np.cumsum(counts)
    begin = np.cumsum(numbers) - numbers  # of each mask's counts
    is_set = ((np.arange(counts.size) - np.repeat(begin, numbers)) % 2 == 1) & (counts > 0)
    before = np.concatenate(([0], bounds))[begin]  # pixels of the crops of all masks before
    owner, end, length = owner[is_set], bounds[is_set], counts[is_set]
    end = end - before[owner]
    x, y, height = place[owner].T
    first, last = (end - length) // height, (end - 1) // height
    pieces = last - first + 1
    column = ranges(first, pieces)
    owner, x, y, height, start, end = (np.repeat(v, pieces) for v in (owner, x, y, height, end - length, end))
    return Runs(
        owner, x + column, y + np.maximum(start - column * height, 0), y + np.minimum(end - column * height, height)
    )


def masks_of(runs: Runs, owners: int) -> list[Mask]:
    """The masks of so many owners, the inverse of `runs_of`; each cropped tightly, as `encode` does."""
    masks = [EMPTY] * owners
    if runs.owner.size == 0:
        return masks
    starts = np.flatnonzero(np.diff(runs.owner, prepend=-1))  # of each owner's runs
    number = np.diff(starts, append=runs.owner.size)
    owner, left, right = runs.owner[starts], runs.column[starts], runs.column[starts + number - 1] + 1
    top, bottom = np.minimum.reduceat(runs.top, starts), np.maximum.reduceat(runs.bottom, starts)
    width, height = right - left, bottom - top
    base = (runs.column - np.repeat(left, number)) * np.repeat(height, number) - np.repeat(top, number)
    begin, end = base + runs.top, base + runs.bottom
    joined = (runs.owner[1:] == runs.owner[:-1]) & (begin[1:] == end[:-1])  # down to the last row, on from the first
    begin, end = begin[np.concatenate(([True], ~joined))], end[np.concatenate((~joined, [True]))]
    number = number - np.add.reduceat(np.concatenate(([False], joined)), starts, dtype=np.intp)
    starts = np.cumsum(number) - number
    counts = np.empty(2 * begin.size, np.intp)
    counts[2::2] = begin[1:] - end[:-1]
    counts[2 * starts] = begin[starts]
    counts[1::2] = end - begin
    rest = width * height - end[starts + number - 1]
    flat = counts.tolist()
    crops = np.column_stack((owner, left, top, width, height, 2 * starts, 2 * (starts + number), rest)).tolist()
    for k, x, y, w, h, first, last, tail in crops:
        masks[k] = Mask(x, y, w, h, (*flat[first:last], tail) if tail else tuple(flat[first:last]))
    return masks
