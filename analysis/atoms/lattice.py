"""The lattice that columns form: two shortest vectors that carry their pattern onto itself.

Only positions count. Where two kinds of column differ in brightness alone, as Sr and Ti in SrTiO3 [100], the pattern of
positions repeats more often than the crystal does: there the answer is the smaller cell, a/√2 turned by 45°.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.ndimage as ndi
from scipy.spatial import ConvexHull, QhullError, cKDTree

Floats = npt.NDArray[np.float64]

MIN_COLUMNS = 12
_NEIGHBOURS = 40  # of each column: differences to these are looked at
_REACH = (
    15.0  # of the distance to the nearest neighbour: farther ones are not looked at, so that the histogram is bounded
)
_SAMPLE = 800  # columns whose neighbours are looked at
_SHORTEST = 0.6  # of the distance to the nearest neighbour: strays may lie closer
_PROMINENT = 0.3  # of the fullest place: less is no translation of the whole pattern
_BIN = 0.05  # of the histogram of differences, of the distance to the nearest neighbour
_TOLERANCE = 0.2  # of the same: how well a column must meet another after a translation
_MIN_SHARE = 0.5  # of columns that a translation carries onto others, to be a lattice at all
_NEAR_BEST = 0.8  # a vector of the lattice does nearly as well as the best; that between two columns of a cell does not
_MIN_SINE = 0.3
_EQUAL = 0.02  # lengths closer than this are ordered by angle, so that noise does not swap a and b


def find_vectors(xy: npt.NDArray[np.floating]) -> tuple[Floats, Floats] | None:
    """The two shortest independent translations that carry a pattern of points onto itself, shorter one first.

    Differences between neighbours gather at the lattice's points, whatever slow distortion the picture has. Of the
    gathering places, those are translations of the whole pattern that carry nearly all columns onto others; a vector
    between two columns of one cell (a dumbbell) carries at most half. Both vectors are medians over all columns.

    Parameters
    ----------
    xy: (n, 2), in units in which x and y are alike (nm, or square pixels).

    Returns
    -------
    Two vectors (2,), pointing up on the screen (y ≤ 0); None where there are fewer than 12 points or no lattice.
    """
    xy = np.asarray(xy, np.float64).reshape(-1, 2)
    if len(xy) < MIN_COLUMNS:
        return None
    tree = cKDTree(xy)
    nearest = float(np.median(tree.query(xy, k=2)[0][:, 1]))
    if not nearest > 0:  # most points lie on another
        return None
    try:
        hull = ConvexHull(xy).equations
    except QhullError:  # all on one line
        return None
    sample = xy[:: max(1, len(xy) // _SAMPLE)]
    candidates = _gathering_places(tree, sample, nearest)
    shares = np.array([_share(tree, sample, hull, v, _TOLERANCE * nearest) for v in candidates])
    if not len(shares) or shares.max() < _MIN_SHARE:
        return None
    vectors = candidates[shares >= _NEAR_BEST * shares.max()]
    vectors = vectors[np.argsort(np.hypot(*vectors.T), kind="stable")]
    first = vectors[0]
    for second in vectors[1:]:
        sine = abs(first[0] * second[1] - first[1] * second[0]) / np.hypot(*first) / np.hypot(*second)
        if sine >= _MIN_SINE:
            return _ordered(*(_typical_translation(xy, tree, v, _TOLERANCE * nearest) for v in (first, second)))
    return None


def angle_deg(vector: Floats) -> float:
    """Direction of a vector, counter-clockwise from x as seen on the screen (y points down), 0 to 360."""
    return float(np.degrees(np.arctan2(-vector[1], vector[0])) % 360)


def _gathering_places(tree: cKDTree, sample: Floats, nearest: float) -> Floats:
    """Vectors (k, 2) pointing up where differences between neighbours gather."""
    count = min(_NEIGHBOURS, tree.n - 1)
    distances, index = tree.query(sample, k=count + 1)
    differences = (tree.data[index[:, 1:]] - sample[:, None]).reshape(-1, 2)
    # beyond the reach of the nearest-neighbour list the histogram would be cut off
    reach = min(float(np.median(distances[:, -1])), _REACH * nearest)
    differences = differences[np.hypot(*differences.T) <= reach]
    size = _BIN * nearest
    half = int(reach / size) + 2
    bins = [np.arange(-half, half + 2) * size - size / 2] * 2
    histogram = np.histogram2d(differences[:, 1], differences[:, 0], bins=bins)[0]
    smooth = ndi.gaussian_filter(histogram + histogram[::-1, ::-1], 1.5)  # a difference may be read both ways
    peak = (smooth == ndi.maximum_filter(smooth, 5)) & (smooth > 0)
    rows, columns = np.nonzero(peak)
    places = np.column_stack([columns, rows]).astype(np.float64) - half
    up = (places[:, 1] < 0) | ((places[:, 1] == 0) & (places[:, 0] > 0))
    full = smooth[rows, columns] >= _PROMINENT * smooth.max()
    return places[up & full & (np.hypot(*places.T) * size >= _SHORTEST * nearest)] * size


def _share(tree: cKDTree, sample: Floats, hull: Floats, vector: Floats, tolerance: float) -> float:
    """Share of the points that the vector carries onto another, of those that it leaves inside the pattern."""
    moved = sample + vector
    inside = (moved @ hull[:, :2].T + hull[:, 2] <= 0).all(axis=1)
    if inside.sum() < max(3, len(sample) // 5):
        return 0.0
    return float((tree.query(moved[inside], distance_upper_bound=tolerance)[0] <= tolerance).mean())


def _typical_translation(xy: Floats, tree: cKDTree, vector: Floats, tolerance: float) -> Floats:
    """Median difference of all pairs of points that are about one, two and four vectors apart, for one vector.

    Not the mean: along a row the differences add up to the last point less the first, so the mean would rest on the
    points at the border of the picture alone, which are the worst.
    """
    for periods in (1, 1, 2, 4):
        distances, index = tree.query(xy + periods * vector, distance_upper_bound=tolerance)
        met = np.isfinite(distances)
        if met.sum() < len(xy) / 4:
            break
        vector = np.median(xy[index[met]] - xy[met], axis=0) / periods
    return vector


def _ordered(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    pair = [v if v[1] < 0 or (v[1] == 0 and v[0] > 0) else -v for v in (first, second)]
    lengths = [float(np.hypot(*v)) for v in pair]
    if abs(lengths[0] - lengths[1]) < _EQUAL * lengths[0]:
        pair.sort(key=angle_deg)
    elif lengths[0] > lengths[1]:
        pair.reverse()
    return pair[0], pair[1]
