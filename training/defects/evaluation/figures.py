"""Judged pictures → the numbers of one row of a table: of one picture, of a split, or of all pictures together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

import numpy as np

from analysis.defects.errors import PercentErrors, hardening_errors, percent_errors, summary
from analysis.defects.metrics import Score, total
from analysis.defects.statistics import ClassStatistics, class_statistics
from analysis.distributions import Distribution
from training.defects.evaluation.verdicts import Verdict

Row = dict[str, str | float | int | None]

FIND = "find"
"""Defects of any class: found or not."""
TYPES = "types"
"""All classes together, each defect right only when it is found and of its class."""


def kinds(verdicts: Iterable[Verdict]) -> list[str]:
    """What there are rows of: `find`, `types`, and every class that was labelled anywhere."""
    names = {name for verdict in verdicts for evaluation in verdict.evaluations.values() for name in evaluation.types}
    return [FIND, TYPES, *sorted(names)]


def figures(verdicts: Sequence[Verdict], kind: str, iou: float) -> Row:
    """The numbers of judged pictures, pooled.

    Counts, precision, recall and F1 are of all defects together. `…_error_percent` is the mean over the pictures of the
    absolute percent error, `…_error_std_percent` its standard deviation, `…_bias_percent` the mean with its sign; sizes
    and shapes are means over all defects. Pictures in which a class was not labelled say nothing about it. What is not
    known is None.

    Parameters
    ----------
    kind: of `kinds`. iou: the threshold, one of those that were judged.
    """
    if kind not in (FIND, TYPES):
        verdicts = [verdict for verdict in verdicts if kind in verdict.evaluations[iou].types]
    row: Row = {"class": kind, "iou": iou, "pictures": len(verdicts)}
    row |= _scores(verdicts, kind, iou)
    if kind == TYPES:
        return row | dict.fromkeys(_UNSCORED)
    class_name = None if kind == FIND else kind
    true = class_statistics([verdict.true for verdict in verdicts], class_name)
    predicted = class_statistics([verdict.counted(iou) for verdict in verdicts], class_name)
    row |= _means(true, predicted)
    errors = [percent_errors(v.predicted, v.true, v.evaluations[iou], class_name) for v in verdicts]
    for name, column in _ERRORS.items():
        short = summary([getattr(error, name) for error in errors])
        row[f"{column}_error_percent"] = None if short is None else short.mean_absolute
        row[f"{column}_error_std_percent"] = None if short is None else short.std_absolute
        row[f"{column}_bias_percent"] = None if short is None else short.mean
    return row | _hardening(verdicts, class_name, iou)


def spread(rows: Sequence[Row], names: Sequence[str] = ("precision", "recall", "f1")) -> Row:
    """Mean and standard deviation of figures over splits; a split in which nothing of a class is true and nothing was
    predicted says nothing about it."""
    rows = [row for row in rows if row["true"] or row["predicted"]]
    out: Row = {"splits": len(rows)}
    for name in names:
        values = [float(value) for row in rows if (value := row[name]) is not None]
        out[f"{name}_mean"] = float(np.mean(values)) if values else None
        out[f"{name}_std"] = float(np.std(values)) if values else None
    return out


def _scores(verdicts: Sequence[Verdict], kind: str, iou: float) -> Row:
    evaluations = [verdict.evaluations[iou] for verdict in verdicts]
    among_found: Score | None = None
    if kind == FIND:
        score = total(evaluation.find for evaluation in evaluations)
    elif kind == TYPES:
        score = total(evaluation.type_all for evaluation in evaluations)
        among_found = total(evaluation.type_of_found_all for evaluation in evaluations)
    else:
        score = total(evaluation.types[kind] for evaluation in evaluations)
        among_found = total(evaluation.types_of_found[kind] for evaluation in evaluations)
    return {
        "true": score.n_true,
        "predicted": score.n_predicted,
        "right": score.n_right,
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
        "of_found_precision": None if among_found is None else among_found.precision,
        "of_found_recall": None if among_found is None else among_found.recall,
        "of_found_f1": None if among_found is None else among_found.f1,
    }


def _means(true: ClassStatistics, predicted: ClassStatistics) -> Row:
    row: Row = {
        "density_true_per_nm2": true.density_per_nm2,
        "density_predicted_per_nm2": predicted.density_per_nm2,
    }
    for name, unit in (("size_nm", "_nm"), ("size_px", "_px"), ("heywood", "")):
        for side, statistics in (("true", true), ("predicted", predicted)):
            values: Distribution | None = getattr(statistics, name)
            stem = f"{name.removesuffix(unit)}_{side}"
            row[f"{stem}{unit}"] = None if values is None else values.mean
            row[f"{stem}_std{unit}"] = None if values is None else values.std
    return row


def _hardening(verdicts: Sequence[Verdict], class_name: str | None, iou: float) -> Row:
    """Both sums; of one class they are the same number. Pictures without true hardening have no share to be off by."""
    row: Row = {}
    for name in ("linear", "quadrature"):
        both = []
        for verdict in verdicts:
            guessed, actual = verdict.hardening_predicted[iou], verdict.hardening_true
            if guessed is None or actual is None:
                continue
            if class_name is None:
                pair = (getattr(guessed, f"{name}_mpa"), getattr(actual, f"{name}_mpa"))
            else:
                pair = (guessed.by_class_mpa.get(class_name, 0.0), actual.by_class_mpa.get(class_name, 0.0))
            if pair[1] > 0:
                both.append(pair)
        stem = f"hardening_{name}"
        if not both:
            row |= dict.fromkeys(f"{stem}_{what}" for what in _HARDENING)
            row["hardening_pictures"] = 0
            continue
        predicted, true = np.array(both).T
        errors = hardening_errors(predicted, true)
        values = (float(true.mean()), float(predicted.mean()), errors.mae_mpa, errors.mape)
        row |= {f"{stem}_{what}": value for what, value in zip(_HARDENING, values, strict=True)}
        row["hardening_pictures"] = errors.count
    return row


_HARDENING = ("true_mpa", "predicted_mpa", "mae_mpa", "mape_percent")
_ERRORS = {
    "density": "density",
    "size_all": "size",
    "size_found": "size_found",
    "heywood_all": "heywood",
    "heywood_found": "heywood_found",
}
assert set(_ERRORS) == {field.name for field in fields(PercentErrors)}

_UNSCORED = (
    *_means(class_statistics([], None), class_statistics([], None)),
    *(
        f"{column}_{what}"
        for column in _ERRORS.values()
        for what in ("error_percent", "error_std_percent", "bias_percent")
    ),
    *_hardening([], None, 0.0),
)
COLUMNS = ("class", "iou", "pictures", *_scores([], TYPES, 0.0), *_UNSCORED)
"""All figures in the order of the tables."""
