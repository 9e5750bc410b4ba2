"""Prediction against truth: ID-recall, ID-precision and Δd, with the 0.5 Å rule of the benchmark paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

TOLERANCE_PM = 50.0


@dataclass(frozen=True)
class Score:
    """How well predicted columns agree with the true ones.

    Attributes
    ----------
    recall: matched share of the true columns (ID-recall); 1 where there are none.
    precision: matched share of the predicted columns (ID-precision); 1 where there are none.
    rms_pm: root mean square distance of the matched pairs (Δd); NaN without a pair.
    n_true, n_predicted, matched: numbers of columns, without those in the border.
    """

    recall: float
    precision: float
    rms_pm: float
    n_true: int
    n_predicted: int
    matched: int


def score(
    predicted_xy_px: npt.ArrayLike,
    true_xy_px: npt.ArrayLike,
    *,
    pixel_size_pm: float | tuple[float, float],
    tolerance_pm: float = TOLERANCE_PM,
    shape: tuple[int, int] | None = None,
    border_pm: float = 0.0,
) -> Score:
    """Match predicted to true columns one to one, and count.

    A pair counts when it is at most `tolerance_pm` apart. Among all one-to-one matchings the one with the most pairs is
    taken, and among those the one with the smallest sum of squared distances: no order of the lists and no greedy
    choice plays a part, and one prediction never answers for two columns.

    With `shape` and `border_pm`, columns nearer to the picture's border than that are not judged: a true one there is
    not missed, and a predicted one that lies there or is matched to a true one there is not wrong.

    Parameters
    ----------
    predicted_xy_px, true_xy_px: (n, 2) and (m, 2), pixels.
    pixel_size_pm: one number, or x and y.
    tolerance_pm: 50 pm in the paper.
    shape: (height, width) of the picture, pixels.
    """
    size = np.broadcast_to(np.asarray(pixel_size_pm, np.float64), (2,))
    predicted = np.asarray(predicted_xy_px, np.float64).reshape(-1, 2) * size
    true = np.asarray(true_xy_px, np.float64).reshape(-1, 2) * size
    pairs = match(predicted, true, tolerance_pm)
    if shape is not None and border_pm > 0:
        low = -0.5 * size
        high = low + np.array(shape[::-1]) * size
        judged_true = _inside(true, low + border_pm, high - border_pm)
        judged = _inside(predicted, low + border_pm, high - border_pm)
        judged[pairs[:, 0]] = judged_true[pairs[:, 1]]
        pairs = pairs[judged_true[pairs[:, 1]]]
        n_true, n_predicted = int(judged_true.sum()), int(judged.sum())
    else:
        n_true, n_predicted = len(true), len(predicted)
    squares = ((predicted[pairs[:, 0]] - true[pairs[:, 1]]) ** 2).sum(axis=1)
    return Score(
        recall=len(pairs) / n_true if n_true else 1.0,
        precision=len(pairs) / n_predicted if n_predicted else 1.0,
        rms_pm=float(np.sqrt(squares.mean())) if len(pairs) else float("nan"),
        n_true=n_true,
        n_predicted=n_predicted,
        matched=len(pairs),
    )


def match(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], tolerance: float) -> npt.NDArray[np.intp]:
    """One-to-one pairs (k, 2) of indices into two sets of points, at most `tolerance` apart, best overall."""
    none = np.empty((0, 2), np.intp)
    if not len(first) or not len(second):
        return none
    near = cKDTree(first).sparse_distance_matrix(cKDTree(second), tolerance, output_type="coo_matrix")
    if not near.nnz:
        return none
    i, j = near.row.astype(np.intp), near.col.astype(np.intp)
    # points that share no possible partner are independent: each cluster is a small problem of its own
    total = len(first) + len(second)
    graph = coo_array((np.ones(len(i)), (i, j + len(first))), shape=(total, total))
    cluster = connected_components(graph, directed=False)[1][i]
    order = np.argsort(cluster, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1)
    pairs = []
    for part in parts:
        if len(part) == 1:
            pairs.append((i[part[0]], j[part[0]]))
            continue
        rows, row = np.unique(i[part], return_inverse=True)
        columns, column = np.unique(j[part], return_inverse=True)
        # a missing pair costs more than all distances of the cluster together
        missing = 1.0 + min(len(rows), len(columns))
        cost = np.full((len(rows), len(columns)), missing)
        cost[row, column] = (near.data[part] / tolerance) ** 2
        for a, b in zip(*linear_sum_assignment(cost), strict=True):
            if cost[a, b] < missing:
                pairs.append((rows[a], columns[b]))
    return np.array(pairs, np.intp).reshape(-1, 2)


def _inside(
    xy: npt.NDArray[np.float64], low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = np.all((xy >= low) & (xy <= high), axis=1)
    return inside
