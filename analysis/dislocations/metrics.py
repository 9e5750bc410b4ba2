"""Prediction against truth: the published metric, which compares lengths, and a stricter one, which compares places.

The published metric: masks are binarised at 0.5 and cleaned, thinned by Lee's algorithm, and the length of each true
line is compared with that of the predicted mask that is matched with it; the score is 1 minus the relative error,
averaged over the true lines. It says nothing about where the predicted line runs, nor about lines that are not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from analysis.dislocations.distances import symmetric_distance
from analysis.dislocations.postprocess import DEFAULTS, THRESHOLD, Rules, lines_of_map
from analysis.dislocations.splines import Spline

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]

GATE_PX = 5.0
_STEP_PX = 1.0  # apart are the points by which splines are compared


@dataclass(frozen=True, eq=False)
class LengthScore:
    """The published metric of one picture, or of several after `+`.

    scores: of each true line, 1 - |predicted - true| / true, not below 0; 0 where nothing was matched with it.
    lengths_px, true_lengths_px: of the matched prediction (0 where there is none) and of the truth.
    """

    scores: FloatArray
    lengths_px: FloatArray
    true_lengths_px: FloatArray

    @property
    def mean(self) -> float:
        """The metric: the mean over the true lines; 1 where there are none."""
        return float(self.scores.mean()) if self.scores.size else 1.0

    def __add__(self, other: LengthScore) -> LengthScore:
        return LengthScore(
            np.concatenate([self.scores, other.scores]),
            np.concatenate([self.lengths_px, other.lengths_px]),
            np.concatenate([self.true_lengths_px, other.true_lengths_px]),
        )


@dataclass(frozen=True, eq=False)
class PlaceScore:
    """The stricter metric of one picture, or of several after `+`.

    distances_px: mean symmetric distance of the splines of each matched pair; hausdorff_px: the largest. Pairs beyond
    the gate are not matched: their lines are missed and invented.
    """

    n_true: int
    n_predicted: int
    distances_px: FloatArray
    hausdorff_px: FloatArray

    @property
    def precision(self) -> float:
        """Share of the predicted lines that are true ones; 1 where none is predicted."""
        return self.distances_px.size / self.n_predicted if self.n_predicted else 1.0

    @property
    def recall(self) -> float:
        """Share of the true lines that are found; 1 where there are none."""
        return self.distances_px.size / self.n_true if self.n_true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where nothing is true and nothing predicted."""
        both = self.n_true + self.n_predicted
        return 2 * self.distances_px.size / both if both else 1.0

    @property
    def mean_distance_px(self) -> float | None:
        """Mean over the matched pairs; None where there are none."""
        return float(self.distances_px.mean()) if self.distances_px.size else None

    def __add__(self, other: PlaceScore) -> PlaceScore:
        return PlaceScore(
            self.n_true + other.n_true,
            self.n_predicted + other.n_predicted,
            np.concatenate([self.distances_px, other.distances_px]),
            np.concatenate([self.hausdorff_px, other.hausdorff_px]),
        )


def dice_losses(predicted: npt.NDArray[np.generic], true: npt.NDArray[np.generic]) -> FloatArray:
    """Dice loss of every true mask with every predicted one, (M, N), by one matrix product.

    Parameters
    ----------
    predicted: (N, height, width) booleans. true: (M, height, width) booleans. Two empty masks have loss 0.
    """
    a = np.asarray(true, np.float32).reshape(len(true), int(np.prod(true.shape[1:])))
    b = np.asarray(predicted, np.float32).reshape(len(predicted), int(np.prod(predicted.shape[1:])))
    shared = np.asarray(a @ b.T, np.float64)
    both = a.sum(axis=1, dtype=np.float64)[:, None] + b.sum(axis=1, dtype=np.float64)[None, :]
    return 1 - np.divide(2 * shared, both, out=np.ones_like(shared), where=both > 0)


def match(losses: FloatArray, method: Literal["greedy", "optimal"] = "optimal") -> IntArray:
    """For each true line the predicted one that stands for it, (M,); -1 where no common pixel or no mask is left.

    Parameters
    ----------
    losses: (M, N), 0 to 1.
    method: 'greedy' as published: each true line in turn takes the free prediction of the lowest loss. 'optimal': the
        assignment of the least total loss.
    """
    taken = np.full(len(losses), -1, np.intp)
    if losses.size == 0:
        return taken
    if method == "optimal":
        rows, columns = linear_sum_assignment(losses)
        taken[rows] = columns
    else:
        free = np.ones(losses.shape[1], bool)
        for row in range(min(losses.shape)):
            column = int(np.argmin(np.where(free, losses[row], np.inf)))
            taken[row], free[column] = column, False
    matched = taken >= 0
    taken[matched] = np.where(losses[matched, taken[matched]] < 1, taken[matched], -1)
    return taken


def mask_length_px(mask: npt.NDArray[np.generic], rules: Rules = DEFAULTS) -> float:
    """Length of the line in a mask (height, width): of the longest one, if it holds several; 0 for an empty mask."""
    return max((line.length_px for line in lines_of_map(mask, rules)), default=0.0)


def length_score(
    predicted: npt.NDArray[np.generic],
    true: npt.NDArray[np.generic],
    *,
    threshold: float = THRESHOLD,
    method: Literal["greedy", "optimal"] = "optimal",
    rules: Rules = DEFAULTS,
) -> LengthScore:
    """The published metric of one picture. Both lengths are measured in the same way, so that thinning costs nothing.

    Parameters
    ----------
    predicted: (N, height, width) probabilities or booleans: the network's maps as they are.
    true: (M, height, width), one mask a line; empty masks are left out.
    threshold: of the predicted maps.
    method: of the matching, see `match`.
    rules: what counts as a speck.
    """
    true = np.asarray(true) != 0
    true = true[true.any(axis=(1, 2))]
    binary = np.asarray(predicted) if predicted.dtype == bool else np.asarray(predicted) > threshold
    taken = match(dice_losses(binary, true), method)
    true_px = np.array([mask_length_px(mask, rules) for mask in true], np.float64)
    found_px = np.array([mask_length_px(binary[k], rules) if k >= 0 else 0.0 for k in taken], np.float64)
    error = np.divide(np.abs(found_px - true_px), true_px, out=np.ones_like(true_px), where=true_px > 0)
    return LengthScore(np.maximum(1 - error, 0.0), found_px, true_px)


def place_score(
    predicted: Sequence[Spline | FloatArray], true: Sequence[Spline | FloatArray], *, gate_px: float = GATE_PX
) -> PlaceScore:
    """The stricter metric of one picture: lines are matched so that their distances are least in all.

    Parameters
    ----------
    predicted, true: splines, or ordered points (n, 2) x, y in px.
    gate_px: lines that are further apart in the mean are not matched.
    """
    _, _, pairs = matched_places(predicted, true, gate_px=gate_px)
    return PlaceScore(len(true), len(predicted), pairs[:, 0], pairs[:, 1])


def matched_places(
    predicted: Sequence[Spline | FloatArray], true: Sequence[Spline | FloatArray], *, gate_px: float = GATE_PX
) -> tuple[IntArray, IntArray, FloatArray]:
    """Which lines stand for each other in `place_score`.

    Answers the indices (n,) of the true lines, those of the predicted ones, and (n, 2) their mean and their largest
    distance in px.
    """
    a, b = [_dense(line) for line in predicted], [_dense(line) for line in true]
    distances = np.array([[symmetric_distance(one, other) for one in a] for other in b]).reshape(len(b), len(a), 2)
    inside = distances[..., 0] <= gate_px
    # pairs beyond the gate cost more than all pairs inside, so that one of those is never given up for them
    rows, columns = linear_sum_assignment(np.where(inside, distances[..., 0], gate_px * (1 + min(len(a), len(b)))))
    good = inside[rows, columns]
    return rows[good], columns[good], distances[rows[good], columns[good]]


def _dense(line: Spline | FloatArray) -> FloatArray:
    """Points about 1 px apart."""
    if isinstance(line, Spline):
        return line.points(max(2, int(line.length / _STEP_PX) + 1))
    points = np.asarray(line, np.float64)
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0, along[-1], max(2, int(along[-1] / _STEP_PX) + 1))
    return np.column_stack([np.interp(at, along, points[:, i]) for i in (0, 1)])
