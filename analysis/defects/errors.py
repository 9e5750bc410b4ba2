"""How far the numbers that a materials scientist wants are off: density, size, shape, hardening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.defects.metrics import Evaluation
from analysis.defects.table import DefectTable

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PercentErrors:
    """Predicted over true minus one, in %, of one picture; None where it is not defined.

    `_all` compares the mean of all predicted defects with that of all true ones, `_found` the means of those that
    were matched. A negative density means that defects are missed.
    """

    density: float | None
    size_all: float | None
    size_found: float | None
    heywood_all: float | None
    heywood_found: float | None


@dataclass(frozen=True)
class ErrorSummary:
    """Errors of several pictures: mean and standard deviation of their absolute values, and the mean with its sign."""

    count: int
    mean_absolute: float
    std_absolute: float
    mean: float


@dataclass(frozen=True)
class HardeningErrors:
    """Errors of the hardening over pictures: mean absolute, MPa, and mean absolute of the share, %."""

    count: int
    mae_mpa: float
    mape: float


def percent_errors(
    predicted: DefectTable, true: DefectTable, evaluation: Evaluation, class_name: str | None = None
) -> PercentErrors:
    """Errors of one picture, for one class or for all defects.

    Sizes are compared in nm where both tables have them, else in px. Among the found ones, a pair belongs to the
    class of its true defect.
    """
    rows, wanted = predicted.of_class(class_name), true.of_class(class_name)
    if class_name is None:
        rows = rows & evaluation.counted
    in_nm = predicted.size_nm is not None and true.size_nm is not None
    guessed = np.asarray(predicted.size_nm if in_nm else predicted.size_px)
    actual = np.asarray(true.size_nm if in_nm else true.size_px)
    pair = wanted[evaluation.true]
    i, j = evaluation.predicted[pair], evaluation.true[pair]
    return PercentErrors(
        density=_percent(float(rows.sum()), float(wanted.sum())),
        size_all=_percent(_mean(guessed[rows]), _mean(actual[wanted])),
        size_found=_percent(_mean(guessed[i]), _mean(actual[j])),
        heywood_all=_percent(_mean(predicted.heywood[rows]), _mean(true.heywood[wanted])),
        heywood_found=_percent(_mean(predicted.heywood[i]), _mean(true.heywood[j])),
    )


def summary(errors: Sequence[float | None]) -> ErrorSummary | None:
    """One of the errors over several pictures; pictures where it is not defined are left out."""
    values = np.array([error for error in errors if error is not None], float)
    if values.size == 0:
        return None
    absolute = np.abs(values)
    return ErrorSummary(int(values.size), float(absolute.mean()), float(absolute.std()), float(values.mean()))


def hardening_errors(predicted_mpa: npt.ArrayLike, true_mpa: npt.ArrayLike) -> HardeningErrors:
    """Errors of the hardening of pictures, total by either sum.

    Parameters
    ----------
    predicted_mpa, true_mpa: (pictures,), the true ones above 0.

    Raises
    ------
    ValueError: no picture, or a true hardening of 0, whose share is not defined.
    """
    predicted, true = np.asarray(predicted_mpa, float), np.asarray(true_mpa, float)
    if predicted.shape != true.shape or predicted.size == 0 or not (true > 0).all():
        raise ValueError("hardening is compared over one or more pictures whose true hardening is above 0")
    error = np.abs(predicted - true)
    return HardeningErrors(int(error.size), float(error.mean()), float(100 * np.mean(error / true)))


def _mean(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _percent(predicted: float, true: float) -> float | None:
    if np.isnan(predicted) or np.isnan(true) or true == 0:
        return None
    return 100 * (predicted / true - 1)
