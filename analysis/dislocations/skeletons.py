"""Masks of lines → the centre lines of what they hold, as ordered points.

A mask is thinned to its skeleton (Lee, Kashyap & Chu, CVGIP 56 (1994) 462), whose pixels are a graph. Spurs of the
thinning are cut off; where lines cross or branch, the two branches that go on most straightly are one line, and every
other branch is a line of its own.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import numpy as np
import numpy.typing as npt
import scipy.ndimage as ndi
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree
from skimage.morphology import skeletonize

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]

_REACH_PX = 12  # over so many points a branch's direction at a junction is taken
_STRAIGHT = np.cos(np.radians(60))  # branches go on as one line where they turn by less than 60°
_STEPS = ((0, 1, 1.0), (1, -1, 2**0.5), (1, 0, 1.0), (1, 1, 2**0.5))  # down, right, length: to the pixels after one
_CENTRING = 3.0  # px along the line over which its direction is smoothed when points move to the middle of the mask


def skeleton(mask: npt.NDArray[np.generic]) -> BoolArray:
    """Lee's skeleton of a mask (height, width): one pixel wide, 8-connected."""
    padded = np.pad(np.asarray(mask) != 0, 1)  # a line that runs along the edge of a crop is thinned as any other
    return np.asarray(skeletonize(padded, method="lee"), bool)[1:-1, 1:-1]


def centre_lines(mask: npt.NDArray[np.generic], *, shortest_px: float = 10.0) -> list[FloatArray]:
    """The lines that a mask holds, the longest first.

    Parameters
    ----------
    mask: (height, width); pieces that do not touch give a line each.
    shortest_px: branches and lines shorter than this, or than the mask is wide there, are left out as spurs.

    Returns
    -------
    Ordered points (n, 2) x, y in px, in the middle of the mask; pixel (0, 0) of the mask is the origin.
    """
    thick = np.asarray(mask) != 0
    thin = skeleton(thick)
    count = int(thin.sum())
    if count < 2:
        return []
    width_px = float(thick.sum()) / count
    paths = ordered_paths(thin, spur_px=max(shortest_px, 1.5 * width_px), bridge_px=2 * width_px)
    lines = [centred(path, thick, reach_px=width_px) for path in paths]
    return sorted((line for line in lines if length(line) >= shortest_px), key=length, reverse=True)


def length(path: FloatArray) -> float:
    """Length of the polygon through ordered points (n, 2)."""
    return float(np.hypot(*np.diff(path, axis=0).T).sum()) if len(path) > 1 else 0.0


def ordered_paths(thin: BoolArray, *, spur_px: float, bridge_px: float) -> list[FloatArray]:
    """The pixels of a skeleton in the order in which the lines run.

    A closed ring is opened somewhere.

    Parameters
    ----------
    thin: (height, width), a skeleton.
    spur_px: branches shorter than this that end freely are cut off.
    bridge_px: two junctions closer than this are one (two lines that cross make two junctions with a bridge).

    Returns
    -------
    Ordered points (n, 2) x, y in px, one array a line.
    """
    rows, columns = np.nonzero(thin)
    xy = np.column_stack([columns, rows]).astype(np.float64)
    if len(xy) < 2:
        return []
    neighbours, part = _tree(rows, columns)
    degree = np.array([len(near) for near in neighbours])
    paths: list[FloatArray] = []
    for k in range(part.max() + 1):
        members = np.flatnonzero(part == k)
        if len(members) < 2:
            continue
        if degree[members].max() <= 2:
            paths.append(xy[_chain(neighbours, int(members[np.argmin(degree[members])]))])
        else:
            branches = _without_spurs(_branches(neighbours, members, degree), xy, spur_px)
            paths += _lines_of(branches, xy, bridge_px)
    return paths


def centred(path: FloatArray, mask: BoolArray, *, reach_px: float) -> FloatArray:
    """Skeleton points moved across the line to the middle of the mask, to a fraction of a pixel.

    Parameters
    ----------
    path: (n, 2) ordered points x, y in px.
    mask: (height, width).
    reach_px: how far to both sides the mask is looked at, about the line's width.
    """
    if len(path) < 3:
        return path
    along = ndi.gaussian_filter1d(path, _CENTRING, axis=0, order=1, mode="nearest")
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    normal = np.column_stack([-along[:, 1], along[:, 0]])
    offsets = np.arange(-np.ceil(reach_px), np.ceil(reach_px) + 0.25, 0.5)
    samples = path[:, None, :] + offsets[None, :, None] * normal[:, None, :]
    inside = ndi.map_coordinates(mask.astype(np.float32), samples[..., ::-1].reshape(-1, 2).T, order=1)
    weights = inside.reshape(len(path), len(offsets)).astype(np.float64)
    # only the mask that the point lies in: another line beside it must not pull
    middle = len(offsets) // 2
    weights[:, middle:] = np.minimum.accumulate(weights[:, middle:], axis=1)
    weights[:, middle::-1] = np.minimum.accumulate(weights[:, middle::-1], axis=1)
    total = weights.sum(axis=1)
    shift = np.divide(weights @ offsets, total, out=np.zeros(len(path)), where=total > 0)
    return np.asarray(path + shift[:, None] * normal)


def _tree(rows: IntArray, columns: IntArray) -> tuple[list[list[int]], IntArray]:
    """The neighbours of every pixel of a skeleton, without rings, and the number (n,) of the piece that it is in.

    Of the steps to the eight pixels around it the shortest ones that keep a piece together: that leaves out the
    diagonals beside a corner, which would look like junctions.

    Parameters
    ----------
    rows, columns: (n,) of the pixels, row by row.
    """
    n = len(rows)
    number = np.full((rows[-1] - rows[0] + 2, np.ptp(columns) + 3), -1, np.intp)
    y, x = rows - rows[0], columns - columns.min() + 1
    number[y, x] = np.arange(n)
    later = np.stack([number[y + down, x + right] for down, right, _ in _STEPS], axis=1)
    there = later >= 0
    count = there.sum(axis=1)
    neighbours = _neighbours(count, later[there])
    degree = [len(near) for near in neighbours]
    # Nearly all pieces are one plain chain, which has no step too many.
    if count.sum() == n - 1 and max(degree) <= 2 and len(_chain(neighbours, degree.index(min(degree)))) == n:
        return neighbours, np.zeros(n, np.intp)
    lengths = np.broadcast_to([length for *_, length in _STEPS], later.shape)
    starts = np.concatenate([[0], np.cumsum(count)])
    tree = minimum_spanning_tree(csr_array((lengths[there], later[there], starts), shape=(n, n)))
    neighbours = _neighbours(np.diff(tree.indptr), tree.indices)
    return neighbours, connected_components(tree, directed=False)[1]


def _neighbours(count: IntArray, later: IntArray) -> list[list[int]]:
    """Of every pixel those that it has a step to, sorted; `count` (n,) steps of each lead to the `later` ones."""
    neighbours: list[list[int]] = [[] for _ in count]
    for i, j in zip(np.repeat(np.arange(len(count)), count).tolist(), later.tolist(), strict=True):
        neighbours[i].append(j)
        neighbours[j].append(i)
    for near in neighbours:
        near.sort()
    return neighbours


def _chain(neighbours: list[list[int]], start: int) -> list[int]:
    """The pixels of a piece without junctions, from one of its ends to the other."""
    chain, before = [start], -1
    while following := [i for i in neighbours[chain[-1]] if i != before]:
        before = chain[-1]
        chain.append(following[0])
    return chain


def _branches(neighbours: list[list[int]], members: IntArray, degree: IntArray) -> list[list[int]]:
    """A tree cut at its junctions: chains of nodes from end or junction to end or junction."""
    stops = {int(i) for i in members if degree[i] != 2}
    branches = []
    for stop in sorted(stops):
        for step in neighbours[stop]:
            chain = [stop, step]
            while chain[-1] not in stops:
                a, b = neighbours[chain[-1]]
                chain.append(b if a == chain[-2] else a)
            if chain[0] < chain[-1]:
                branches.append(chain)
    return branches


def _ends(branches: Sequence[list[int]]) -> dict[int, list[int]]:
    """Of every end or junction, the branches that meet there."""
    meeting: dict[int, list[int]] = {}
    for k, branch in enumerate(branches):
        meeting.setdefault(branch[0], []).append(k)
        meeting.setdefault(branch[-1], []).append(k)
    return meeting


def _without_spurs(branches: list[list[int]], xy: FloatArray, spur_px: float) -> list[list[int]]:
    """Branches without short ones that end freely, the shortest first; what a cut leaves in two pieces is one again."""
    while len(branches) > 1:
        meeting = _ends(branches)
        spurs = [
            (length(xy[branch]), k)
            for k, branch in enumerate(branches)
            if (len(meeting[branch[0]]) == 1) != (len(meeting[branch[-1]]) == 1)
        ]
        if not spurs or min(spurs)[0] >= spur_px:
            return branches
        _, k = min(spurs)
        spur = branches.pop(k)
        junction = spur[0] if len(meeting[spur[0]]) > 1 else spur[-1]
        left = _ends(branches)[junction]
        if len(left) == 2:
            first, second = (branches[i] for i in left)
            first = first if first[-1] == junction else first[::-1]
            second = second if second[0] == junction else second[::-1]
            branches = [branch for i, branch in enumerate(branches) if i not in left] + [first + second[1:]]
    return branches


def _lines_of(branches: list[list[int]], xy: FloatArray, bridge_px: float) -> list[FloatArray]:
    """Branches put together at their junctions: the pairs that go on most straightly, one after the other."""
    meeting = _ends(branches)
    bridges = {
        k
        for k, branch in enumerate(branches)
        if len(meeting[branch[0]]) > 1 and len(meeting[branch[-1]]) > 1 and length(xy[branch]) < bridge_px
    }
    crossing = {node: node for node in meeting}
    for k in sorted(bridges):
        old, new = crossing[branches[k][-1]], crossing[branches[k][0]]
        crossing = {node: new if name == old else name for node, name in crossing.items()}
    # (turn, crossing, end of a branch, end of another); an end is a branch and whether it is its last point
    ends: dict[int, list[tuple[int, bool]]] = {}
    for k, branch in enumerate(branches):
        if k not in bridges:
            ends.setdefault(crossing[branch[0]], []).append((k, False))
            ends.setdefault(crossing[branch[-1]], []).append((k, True))
    joints = []
    for here in ends.values():
        for i, a in enumerate(here):
            for b in here[i + 1 :]:
                straight = -float(_outward(xy, branches, a) @ _outward(xy, branches, b))
                if a[0] != b[0] and straight > _STRAIGHT:
                    joints.append((straight, a, b))
    partner: dict[tuple[int, bool], tuple[int, bool]] = {}
    for _, a, b in sorted(joints, reverse=True):
        if a not in partner and b not in partner:
            partner[a], partner[b] = b, a
    pieces = [xy[branch] for branch in branches]
    return [
        np.concatenate([pieces[k] if forward else pieces[k][::-1] for k, forward in chain])
        for chain in chains(len(pieces), partner, skip=bridges)
    ]


def _outward(xy: FloatArray, branches: list[list[int]], end: tuple[int, bool]) -> FloatArray:
    """Unit vector from a branch's end into the branch."""
    k, last = end
    points = xy[branches[k][::-1] if last else branches[k]]
    # the first points belong to the crossing itself, which bends every branch
    skip = min(_REACH_PX // 3, len(points) // 4)
    step = points[min(_REACH_PX + skip, len(points) - 1)] - points[skip]
    return np.asarray(step / max(float(np.hypot(*step)), 1e-9))


def chains(
    count: int, partner: dict[tuple[int, bool], tuple[int, bool]], *, skip: Set[int] = frozenset()
) -> list[list[tuple[int, bool]]]:
    """Pieces strung together end to end, each piece once.

    Parameters
    ----------
    count: number of pieces.
    partner: of an end (piece, whether it is its last point), the end that it is joined to; both ways.
    skip: pieces to leave out.

    Returns
    -------
    For each chain its pieces in order, and whether each runs forward in it. A ring is opened somewhere.
    """
    used = set(skip)
    found = []
    # chains first from their free ends; what is left then are rings
    for begin in sorted(range(count), key=lambda k: (k, False) in partner and (k, True) in partner):
        if begin in used:
            continue
        k, forward = begin, (begin, False) not in partner
        chain: list[tuple[int, bool]] = []
        while k not in used:
            used.add(k)
            chain.append((k, forward))
            following = partner.get((k, forward))
            if following is None:
                break
            k, forward = following[0], not following[1]
        found.append(chain)
    return found
