"""Prediction against truth: which defects are found, whether their kind is right, and how far the numbers are off.

Definitions as in R. Jacobs et al., arXiv:2110.08244: every predicted mask's intersection over union (IoU) with every
true one is taken; a true defect is found once, by the best IoU above a threshold; further hits on it are wrong. A
prediction finds one defect only, and the best pairs go first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.defects.table import DefectTable
from analysis.overlaps import meeting_boxes, overlaps

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

IOU_THRESHOLD = 0.3


@dataclass(frozen=True)
class Score:
    """Counts of one comparison; add two for the score of both together."""

    n_true: int
    n_predicted: int
    n_right: int

    @property
    def precision(self) -> float:
        """Share of the predicted defects that are right; 1 where none is predicted."""
        return self.n_right / self.n_predicted if self.n_predicted else 1.0

    @property
    def recall(self) -> float:
        """Share of the true defects that are found; 1 where there are none."""
        return self.n_right / self.n_true if self.n_true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where nothing is true and nothing predicted."""
        both = self.n_true + self.n_predicted
        return 2 * self.n_right / both if both else 1.0

    def __add__(self, other: Score) -> Score:
        return Score(self.n_true + other.n_true, self.n_predicted + other.n_predicted, self.n_right + other.n_right)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a predicted and a true defect that share pixels, with their IoU."""

    predicted: IntArray
    true: IntArray
    iou: FloatArray


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One picture at one threshold.

    find: any class. types: a defect is right when it is found and of its true class. types_of_found: the same among
    the found ones only, so that it tells how well defects are told apart, whatever is missed. Both have one entry for
    each class that was labelled; `type_all` and `type_of_found_all` are the sums over them.
    predicted, true: indices of the pairs that were matched.
    counted: which predictions count. Those that find nothing and are of a class that nobody labelled are unknown.
    """

    threshold: float
    find: Score
    types: dict[str, Score]
    types_of_found: dict[str, Score]
    predicted: IntArray
    true: IntArray
    counted: npt.NDArray[np.bool_]

    @property
    def type_all(self) -> Score:
        """All classes together."""
        return total(self.types.values())

    @property
    def type_of_found_all(self) -> Score:
        """All classes together, among the found ones."""
        return total(self.types_of_found.values())


def total(scores: Iterable[Score]) -> Score:
    """The score of several pictures or classes together."""
    return sum(scores, start=Score(0, 0, 0))


def pairs(predicted: DefectTable, true: DefectTable) -> Pairs:
    """All pairs that overlap, with the IoU of their masks, or of their boxes where the truth has boxes only."""
    if predicted.masks is not None and true.masks is not None:
        i, j, shared = overlaps(predicted.masks, true.masks)
        area_i = np.array([mask.area_px for mask in predicted.masks], float)[i]
        area_j = np.array([mask.area_px for mask in true.masks], float)[j]
        return Pairs(i, j, shared / (area_i + area_j - shared))
    i, j = meeting_boxes(predicted.boxes, true.boxes)
    a, b = predicted.boxes[i], true.boxes[j]
    shared = np.prod(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), axis=1)
    area = np.prod(a[:, 2:] - a[:, :2], axis=1) + np.prod(b[:, 2:] - b[:, :2], axis=1)
    return Pairs(i, j, shared / (area - shared))


def match(found: Pairs, threshold: float = IOU_THRESHOLD) -> tuple[IntArray, IntArray]:
    """The one-to-one pairs above a threshold, the best IoU first: indices of the predicted and of the true ones."""
    above = np.flatnonzero(found.iou > threshold)
    order = above[np.lexsort((found.true[above], found.predicted[above], -found.iou[above]))]
    used_predicted: set[int] = set()
    used_true: set[int] = set()
    kept = []
    for k in order.tolist():
        i, j = int(found.predicted[k]), int(found.true[k])
        if i not in used_predicted and j not in used_true:
            used_predicted.add(i)
            used_true.add(j)
            kept.append(k)
    return found.predicted[kept], found.true[kept]


def evaluate(
    predicted: DefectTable, true: DefectTable, *, threshold: float = IOU_THRESHOLD, found: Pairs | None = None
) -> Evaluation:
    """Compare the defects predicted in one picture with the true ones.

    Where the truth says which classes were labelled (`true.labelled`), a prediction of another class that finds
    nothing counts neither for nor against the network.

    Parameters
    ----------
    threshold: a pair counts above this IoU.
    found: the result of `pairs`, to be taken once for many thresholds.
    """
    found = pairs(predicted, true) if found is None else found
    i, j = match(found, threshold)
    counted = np.ones(len(predicted), bool)
    if true.labelled is not None:
        counted = np.isin(predicted.class_names, sorted(true.labelled))
        counted[i] = True
    names = true.labelled or set(predicted.class_names.tolist()) | set(true.class_names.tolist())
    guessed, actual = predicted.class_names[i], true.class_names[j]
    types, types_of_found = {}, {}
    for name in sorted(names):
        right = int(np.sum((guessed == name) & (actual == name)))
        types[name] = Score(int(true.of_class(name).sum()), int(predicted.of_class(name).sum()), right)
        types_of_found[name] = Score(int(np.sum(actual == name)), int(np.sum(guessed == name)), right)
    return Evaluation(
        threshold=threshold,
        find=Score(len(true), int(counted.sum()), len(i)),
        types=types,
        types_of_found=types_of_found,
        predicted=i,
        true=j,
        counted=counted,
    )


def evaluate_at(predicted: DefectTable, true: DefectTable, thresholds: Sequence[float]) -> list[Evaluation]:
    """`evaluate` as a function of the IoU threshold; the masks are compared once."""
    found = pairs(predicted, true)
    return [evaluate(predicted, true, threshold=threshold, found=found) for threshold in thresholds]
