"""Judged pictures → the rows of all tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from analysis.defects.metrics import Evaluation, Score, total
from training.defects.evaluation.figures import FIND, TYPES, Row, figures, kinds, spread
from training.defects.evaluation.ranking import Place, ranking
from training.defects.evaluation.study import Trial
from training.defects.evaluation.verdicts import Verdict

SCORES = tuple(round(0.05 * k, 2) for k in range(1, 20))


@dataclass(frozen=True)
class Report:
    """The rows of every table.

    pictures: one for each picture, split and class. splits: of all pictures of a split together. pooled: of all splits
    of a setting together, with the spread between them. by_iou, by_score: the same at other thresholds. ranking: from
    the best down, in the setting that all were in; empty for one model.
    """

    pictures: list[Row] = field(default_factory=list)
    splits: list[Row] = field(default_factory=list)
    pooled: list[Row] = field(default_factory=list)
    by_iou: list[Row] = field(default_factory=list)
    by_score: list[Row] = field(default_factory=list)
    ranking: list[Place] = field(default_factory=list)


def report(trials: Sequence[Trial], iou: float) -> Report:
    """All rows, at one IoU threshold where they are not a function of it. Splits without a judged picture have none."""
    made = Report()
    for trial in trials:
        where = _where(trial)
        names = kinds(trial.verdicts)
        for verdict in trial.verdicts:
            about = where | {"image": verdict.image}
            made.pictures.extend(about | figures([verdict], kind, iou) for kind in kinds([verdict]))
        if trial.verdicts:
            counts: Row = {"train_pictures": len(trial.split.train)}
            made.splits.extend(where | counts | figures(trial.verdicts, kind, iou) for kind in names)
    for model, setting, group in settings(trials):
        verdicts = [verdict for trial in group for verdict in trial.verdicts]
        about = {"model": model, "setting": setting}
        for kind in kinds(verdicts):
            of_splits = _of_splits(group, kind, iou)
            made.pooled.append(about | _train(group) | figures(verdicts, kind, iou) | spread(of_splits))
            made.by_iou.extend(
                about | figures(verdicts, kind, at) | spread(_of_splits(group, kind, at))
                for at in sorted(verdicts[0].evaluations)
            )
        made.by_score.extend(about | row for row in _by_score(verdicts, iou))
    made.ranking.extend(_ranking(trials, iou))
    return made


def settings(trials: Sequence[Trial]) -> Iterator[tuple[str, str, list[Trial]]]:
    """Model, setting and their trials; those without a judged picture are passed over."""
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        if trial.verdicts:
            groups.setdefault((trial.model, trial.split.setting), []).append(trial)
    for (model, setting), group in groups.items():
        yield model, setting, group


def _where(trial: Trial) -> Row:
    split = trial.split
    return {"model": trial.model, "setting": split.setting, "split": split.name, "seed": split.seed}


def _train(group: Sequence[Trial]) -> Row:
    return {"train_pictures": float(np.mean([len(trial.split.train) for trial in group]))}


def _of_splits(group: Sequence[Trial], kind: str, iou: float) -> list[Row]:
    """Of each split, the figures that have a spread; those in which the class was labelled."""
    return [figures(trial.verdicts, kind, iou) for trial in group if kind in kinds(trial.verdicts)]


def _by_score(verdicts: Sequence[Verdict], iou: float) -> Iterator[Row]:
    """As if only predictions from a score up had been made; there is nothing below the least one that was.
    Labels have no score."""
    scores = np.concatenate([np.empty(0), *(verdict.scores for verdict in verdicts)])
    if np.isnan(scores).any():
        return
    least = float(scores.min()) if scores.size else 1.0
    for score in SCORES:
        if score < least - 0.05:
            continue
        evaluations = [verdict.surer_than(score, iou) for verdict in verdicts]
        for kind in kinds(verdicts):
            counts = total(_score(evaluation, kind) for evaluation in evaluations)
            yield {
                "class": kind,
                "iou": iou,
                "score": score,
                "true": counts.n_true,
                "predicted": counts.n_predicted,
                "right": counts.n_right,
                "precision": counts.precision,
                "recall": counts.recall,
                "f1": counts.f1,
            }


def _score(evaluation: Evaluation, kind: str) -> Score:
    if kind == FIND:
        return evaluation.find
    return evaluation.type_all if kind == TYPES else evaluation.types.get(kind, Score(0, 0, 0))


def _ranking(trials: Sequence[Trial], iou: float) -> list[Place]:
    """Over all pictures that were judged for all models."""
    models = list(dict.fromkeys(trial.model for trial in trials))
    if len(models) < 2:
        return []
    judged = {
        model: {
            (trial.split.name, verdict.image) for trial in trials if trial.model == model for verdict in trial.verdicts
        }
        for model in models
    }
    common = set.intersection(*judged.values())
    rows = {}
    for model in models:
        verdicts = [
            verdict
            for trial in trials
            if trial.model == model
            for verdict in trial.verdicts
            if (trial.split.name, verdict.image) in common
        ]
        rows[model] = figures(verdicts, FIND, iou)
    return ranking(rows) if common else []
