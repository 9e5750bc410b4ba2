"""Network output → points: the two published ways of reading atom columns off a probability map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.ndimage as ndi
from scipy.spatial import cKDTree
from skimage.filters import threshold_otsu

from emserve.results import AtomsPostprocess

DEFAULT_THRESHOLD = 0.5
PEAK_SIGMA_PX = 1.5  # the width of the peaks that our networks are trained to draw
_MIN_DISTANCE = 2.0  # in units of the peak's sigma: two maxima closer than this are one column
_MIN_AREA_PX = 3
_BLOB_SIGMA_PX = 2.0  # network pixels: 32 pm at 16 pm/px, about a column's own width
_BAND = 512  # rows worked on at once, so that the filters' copies stay small on a large map


@dataclass(frozen=True)
class Points:
    """Columns found on a map, in no particular order.

    Attributes
    ----------
    xy: (n, 2) float64, map pixels.
    score: (n,) float64, height of the map at the column, 0 to 1.
    """

    xy: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]


def find_columns(
    probability: npt.NDArray[np.float32],
    *,
    method: AtomsPostprocess = "log",
    threshold: float = DEFAULT_THRESHOLD,
    sigma_px: float = PEAK_SIGMA_PX,
) -> Points:
    """Atom columns on a probability map.

    Parameters
    ----------
    probability: (height, width), 0 to 1.
    method: 'log' takes the maxima of the Laplacian of Gaussian, which separates columns whose peaks touch; 'otsu' takes
        the geometric centres of the regions above Otsu's threshold. Both are the ways of the benchmark of
        atom-column-finding networks; Otsu's is the one of AtomSegNet.
    threshold: columns where the map stays below this are left out.
    sigma_px: standard deviation of the peaks that the network draws ('log' only).
    """
    points = _by_log(probability, threshold, sigma_px) if method == "log" else _by_otsu(probability, threshold)
    return _without_duplicates(points, _MIN_DISTANCE * sigma_px)


def only_bright(points: Points, pixels: npt.NDArray[np.float32]) -> Points:
    """Those of the points where the picture itself is bright: curved downwards, as on top of a column.

    A network knows from its lattices where a faint sublattice would be, and draws it in the brightness minima of
    crystals that have none. The price: a true column so faint that noise has made the picture dark there goes too, as
    some of the S₂ columns of WS₂ at the worst quality do.

    Parameters
    ----------
    pixels: (height, width), what the network saw.
    """
    if len(points.xy) == 0:
        return points
    curvature = ndi.gaussian_laplace(pixels, _BLOB_SIGMA_PX, truncate=4)
    at_points = ndi.map_coordinates(curvature, points.xy[:, ::-1].T, order=1, mode="nearest")
    bright = at_points < 0
    return Points(points.xy[bright], points.score[bright])


def _by_log(probability: npt.NDArray[np.float32], threshold: float, sigma: float) -> Points:
    """Maxima of the negative Laplacian of Gaussian, located by the vertex of a parabola through 3 x 3 values."""
    halo = int(np.ceil(4 * sigma)) + 2
    height = probability.shape[0]
    found = []
    for start in range(0, height, _BAND):
        top, bottom = max(0, start - halo), min(height, start + _BAND + halo)
        part = _log_maxima(probability[top:bottom], threshold, sigma)
        part.xy[:, 1] += top
        # every maximum belongs to the band of its pixel, so none is found twice and none is lost
        row = np.rint(part.xy[:, 1])
        mine = (row >= start) & (row < start + _BAND)
        found.append(Points(part.xy[mine], part.score[mine]))
    return Points(np.concatenate([p.xy for p in found]), np.concatenate([p.score for p in found]))


def _log_maxima(probability: npt.NDArray[np.float32], threshold: float, sigma: float) -> Points:
    # the Laplacian of a Gaussian filter: two passes of the filter and differences, not four passes
    smooth = ndi.gaussian_filter(probability, sigma, mode="nearest", truncate=3.0)
    padded = np.pad(smooth, 2, mode="edge")
    inner = padded[1:-1, 1:-1]
    response = 4 * inner - padded[:-2, 1:-1] - padded[2:, 1:-1] - padded[1:-1, :-2] - padded[1:-1, 2:]
    centre = response[1:-1, 1:-1]
    # only where the map comes near the threshold: the maxima of its noise are many
    high = ndi.maximum_filter(probability, 3) >= threshold
    rows, columns = np.nonzero(high & (centre > 0))
    around = response[(rows[:, None] + _NEIGHBOUR_ROWS), (columns[:, None] + _NEIGHBOUR_COLUMNS)]
    value = centre[rows, columns]
    # strictly above those before it in reading order and at least as high as those after: a plateau gives one maximum
    peak = (value[:, None] > around[:, :4]).all(axis=1) & (value[:, None] >= around[:, 5:]).all(axis=1)
    rows, columns, around = rows[peak], columns[peak], around[peak].astype(np.float64)
    offsets = _vertices(around)
    window = probability[
        np.clip(rows[:, None] + _NEIGHBOUR_ROWS - 1, 0, probability.shape[0] - 1),
        np.clip(columns[:, None] + _NEIGHBOUR_COLUMNS - 1, 0, probability.shape[1] - 1),
    ]
    score = window.max(axis=1, initial=0.0).astype(np.float64)
    return Points(np.column_stack([columns, rows]) + offsets, np.clip(score, 0, 1))


_NEIGHBOUR_ROWS = np.repeat(np.arange(3), 3)
_NEIGHBOUR_COLUMNS = np.tile(np.arange(3), 3)


def _vertices(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Offsets (n, 2) in x and y of the top of the parabola fitted to each of (n, 9) values, at most half a pixel."""
    v = values.reshape(-1, 3, 3)
    gradient_x = (v[:, :, 2] - v[:, :, 0]).mean(axis=1) / 2
    gradient_y = (v[:, 2, :] - v[:, 0, :]).mean(axis=1) / 2
    xx = (v[:, :, 2] - 2 * v[:, :, 1] + v[:, :, 0]).mean(axis=1)
    yy = (v[:, 2, :] - 2 * v[:, 1, :] + v[:, 0, :]).mean(axis=1)
    xy = (v[:, 2, 2] - v[:, 2, 0] - v[:, 0, 2] + v[:, 0, 0]) / 4
    determinant = xx * yy - xy * xy
    safe = (determinant > 0) & (xx < 0)
    divisor = np.where(safe, determinant, 1)
    dx = np.where(safe, (xy * gradient_y - yy * gradient_x) / divisor, 0)
    dy = np.where(safe, (xy * gradient_x - xx * gradient_y) / divisor, 0)
    return np.clip(np.column_stack([dx, dy]), -0.5, 0.5)


def _by_otsu(probability: npt.NDArray[np.float32], threshold: float) -> Points:
    """Geometric centres of the connected regions above Otsu's threshold."""
    empty = Points(np.empty((0, 2)), np.empty(0))
    if probability.max() < threshold or probability.min() == probability.max():
        return empty
    labels, count = ndi.label(probability > threshold_otsu(probability), structure=np.ones((3, 3)))
    rows, columns = np.nonzero(labels)
    region = labels[rows, columns] - 1
    area = np.bincount(region, minlength=count)
    xy = np.column_stack([np.bincount(region, weights=w, minlength=count) for w in (columns, rows)]) / area[:, None]
    score = np.zeros(count)
    np.maximum.at(score, region, probability[rows, columns])
    keep = (score >= threshold) & (area >= _MIN_AREA_PX)
    return Points(xy[keep], np.clip(score[keep], 0, 1))


def _without_duplicates(points: Points, distance: float) -> Points:
    """Of points closer than `distance` only the higher stays; of equals, the first."""
    pairs = cKDTree(points.xy).query_pairs(distance, output_type="ndarray") if len(points.xy) > 1 else np.empty((0, 2))
    if not len(pairs):
        return points
    keep = np.ones(len(points.xy), bool)
    order = np.argsort(-points.score, kind="stable")
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    # strongest first: a point falls only to one that itself stays
    winners, losers = np.sort(rank[pairs], axis=1).T
    for i in np.lexsort((losers, winners)):
        if keep[order[winners[i]]]:
            keep[order[losers[i]]] = False
    return Points(points.xy[keep], points.score[keep])
