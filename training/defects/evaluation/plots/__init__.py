"""The plots of an evaluation, one kind a module."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.defects.evaluation.plots import distributions, errors, learning, parity, radar, thresholds
from training.defects.evaluation.report import Report
from training.defects.evaluation.study import Trial, slug

__all__ = ["draw"]


def draw(trials: Sequence[Trial], report: Report, iou: float, folder: Path) -> None:
    """Writes every plot that there is something for; those of one model carry its name where there are several.

    f1_iou.png, f1_score.png: F1 against the thresholds. errors.png: percent errors as bars. sizes.png, shapes.png:
    histograms, true and predicted. parity.png: density, size and hardening of each picture, predicted against true.
    learning.png: scores against the number of training pictures, where there are three settings or more. splits.png: F1
    of each split, where there are not. ranking.png: radar of the ranking.
    """
    models = list(dict.fromkeys(str(row["model"]) for row in report.pooled))
    thresholds.draw_iou(report.by_iou, iou, folder / "f1_iou.png")
    thresholds.draw_score(report.by_score, folder / "f1_score.png")
    errors.draw(report.pooled, folder / "errors.png")
    for model in models:
        ending = f"_{slug(model)}.png" if len(models) > 1 else ".png"
        verdicts = [verdict for trial in trials if trial.model == model for verdict in trial.verdicts]
        rows = [row for row in report.pictures if row["model"] == model]
        distributions.draw_sizes(verdicts, iou, folder / f"sizes{ending}")
        distributions.draw_shapes(verdicts, iou, folder / f"shapes{ending}")
        parity.draw(rows, folder / f"parity{ending}")
    if len({row["setting"] for row in report.splits}) > 2:
        learning.draw_curve(report.splits, folder / "learning.png")
    elif len({row["split"] for row in report.splits}) > 1:
        learning.draw_splits(report.splits, folder / "splits.png")
    if report.ranking:
        radar.draw(report.ranking, folder / "ranking.png")
