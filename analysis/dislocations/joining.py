"""Finds of lines → each line once and whole: repeats dropped, overlapping finds and broken pieces joined.

The same is needed where several masks of one network answer the same line, where a mask is broken, and where a line
runs over the seam of two tiles: there it is found in both, whole in one or cut in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import combinations, count

import numpy as np
from scipy.spatial import cKDTree

from analysis.dislocations.lines import Line, beside, dice_loss, near, united
from analysis.dislocations.skeletons import chains

DUPLICATE_LOSS = 0.5  # masks whose mutual Dice loss is below are of one line, as published
COVERED = 0.8  # a line of which so much runs along another one is a part of it
_REACH_PX = 3.0  # lines closer than this, or than half of their widths, run together
_OVERLAP_PX = 6.0  # two finds that share less than this of their ends do not overlap, they touch
_TOUCH_PX = 3.0  # the direction of a gap this short says nothing


def without_duplicates(lines: Iterable[Line]) -> list[Line]:
    """Lines of which no two are the same: the one with more evidence stays, whichever came first.

    Two are the same when the Dice loss between their masks is below 0.5, or when one runs along the other for 80 % of
    its length (a piece of it, or a find that lies a pixel beside it, which thin masks do not forgive). Two that run on
    from each other are not, however much they share: neither is the whole line.
    """
    kept: list[Line] = []
    for line in sorted(lines, key=lambda line: -line.evidence):
        if not any(_same(line, other) for other in kept):
            kept.append(line)
    return kept


def _reach(a: Line, b: Line) -> float:
    return max(_REACH_PX, (a.width_px + b.width_px) / 4)


def _same(a: Line, b: Line) -> bool:
    reach = _reach(a, b)
    if not near(a, b, reach):
        return False
    of_a, of_b = beside(a, b, reach)
    return (of_a.mean() > COVERED or of_b.mean() > COVERED or dice_loss(a.mask, b.mask) < DUPLICATE_LOSS) and _overlap(
        a, b
    ) is None


def overlapping_joined(lines: Sequence[Line]) -> list[Line]:
    """Finds that share a stretch at an end of both and run on from each other, as one line; the longest first."""
    alive, numbers = dict(enumerate(lines)), count(len(lines))
    waiting: list[tuple[float, int, int, Line]] = []

    def compare(i: int, j: int) -> None:
        stretch = _overlap(alive[i], alive[j])
        if stretch is not None:
            heappush(waiting, (-stretch[0], i, j, stretch[1]))

    for i, j in combinations(alive, 2):
        compare(i, j)
    while waiting:
        _, i, j, joined = heappop(waiting)
        if i in alive and j in alive:
            del alive[i], alive[j]
            others, new = list(alive), next(numbers)
            alive[new] = joined
            for other in others:
                compare(other, new)
    return list(alive.values())


def _overlap(a: Line, b: Line) -> tuple[float, Line] | None:
    """How much of the two runs together, px, and the line that they make; None where they do not overlap so."""
    reach = _reach(a, b)
    if not near(a, b, reach):
        return None
    of_a, of_b = beside(a, b, reach)
    for a_turned in (False, True):
        for b_turned in (False, True):
            # the end of the first is the beginning of the second, and goes on into it
            with_second = of_a[::-1] if a_turned else of_a
            with_first = of_b[::-1] if b_turned else of_b
            tail = int(np.argmin(with_second[::-1])) if not with_second.all() else len(with_second)
            head = int(np.argmin(with_first)) if not with_first.all() else len(with_first)
            if min(tail, head) < 2 or tail == len(with_second) or head == len(with_first):
                continue
            first, second = a.reversed() if a_turned else a, b.reversed() if b_turned else b
            shared_px = min(
                tail * first.length_px / (len(first.sparse) - 1), head * second.length_px / (len(second.sparse) - 1)
            )
            if shared_px < _OVERLAP_PX or not _runs_on(first, second, tail, head):
                continue
            # change over in the middle of what they share: the end of a find is its worst part
            middle = first.sparse[len(first.sparse) - 1 - tail // 2]
            stay = int(np.argmin(np.hypot(*(first.path - middle).T)))
            go_on = int(np.argmin(np.hypot(*(second.path - middle).T)))
            return shared_px, united(np.concatenate([first.path[: stay + 1], second.path[go_on + 1 :]]), (a, b))
    return None


def _runs_on(first: Line, second: Line, tail: int, head: int) -> bool:
    """Whether the last point of the first lies where the shared stretch of the second ends, and the other way round.

    Two lines that end together, coming from one side, share a stretch too, but there the ends themselves meet.
    """
    end_on_second = int(np.argmin(np.hypot(*(second.sparse - first.end(True)).T)))
    begin_on_first = int(np.argmin(np.hypot(*(first.sparse - second.end(False)).T)))
    slack = 2  # points, by which the two counts may differ
    return abs(end_on_second - (head - 1)) <= slack and abs(begin_on_first - (len(first.sparse) - tail)) <= slack


def pieces_joined(lines: Sequence[Line], *, gap_px: float, turn_deg: float = 40.0) -> list[Line]:
    """Pieces whose ends face each other over a gap, as one line; the nearest ends first.

    Parameters
    ----------
    gap_px: the widest gap between the masks.
    turn_deg: each end must point at the other this well, and the two lines must not turn by more in all.
    """
    if len(lines) < 2:
        return list(lines)
    straight = float(np.cos(np.radians(turn_deg)))
    ends = np.array([line.end(last) for line in lines for last in (False, True)])
    gaps = []
    widest_px = max(line.width_px for line in lines)
    for a, b in cKDTree(ends).query_pairs(gap_px + widest_px, output_type="ndarray").tolist():
        first, second = lines[a // 2], lines[b // 2]
        cost = _gap(first, bool(a % 2), second, bool(b % 2), gap_px, straight) if a // 2 != b // 2 else None
        if cost is not None:
            gaps.append((cost, a, b))
    partner: dict[tuple[int, bool], tuple[int, bool]] = {}
    for _, a, b in sorted(gaps):
        one, other = (a // 2, bool(a % 2)), (b // 2, bool(b % 2))
        if one not in partner and other not in partner:
            partner[one], partner[other] = other, one
    return [
        united(np.concatenate([lines[k].path if forward else lines[k].path[::-1] for k, forward in chain]), parts)
        if len(parts := [lines[k] for k, _ in chain]) > 1
        else parts[0]
        for chain in chains(len(lines), partner)
    ]


def _gap(a: Line, a_last: bool, b: Line, b_last: bool, gap_px: float, straight: float) -> float | None:
    """The gap between two ends, longer the less they face each other; None where they do not belong together."""
    across = b.end(b_last) - a.end(a_last)
    distance = float(np.hypot(*across))
    if distance > gap_px + (a.width_px + b.width_px) / 2:  # a skeleton ends half a width before its mask
        return None
    a_out, b_out = a.outward(a_last), b.outward(b_last)
    facing = [-float(a_out @ b_out)]
    if distance > _TOUCH_PX:
        facing += [float(a_out @ across) / distance, -float(b_out @ across) / distance]
    if min(facing) < straight:
        return None
    return distance * (2 - min(facing))


def each_once(lines: Iterable[Line], *, gap_px: float) -> list[Line]:
    """Every line once and whole, in no order: repeats dropped, overlapping finds and facing pieces joined."""
    joined = overlapping_joined(without_duplicates(lines))
    joined = pieces_joined(joined, gap_px=gap_px)
    return without_duplicates(joined)
