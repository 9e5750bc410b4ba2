"""The whole evaluation: from the arguments of the command to tables, plots and a summary."""

from __future__ import annotations

import argparse
import platform
import shlex
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.defects.classes import KNOWN
from analysis.defects.hardening import BarrierModel
from training.defects.commands import meaning_of, settings_of, source_of
from training.defects.evaluation import plots
from training.defects.evaluation.contestants import Contestant, Labels, Networks
from training.defects.evaluation.learners import fixed_model
from training.defects.evaluation.overlays import write_overlay
from training.defects.evaluation.predictions import Prediction, calibrated
from training.defects.evaluation.report import Report, report
from training.defects.evaluation.splits import (
    PERCENTS,
    Split,
    everything,
    groups_left_out,
    growing,
    percent_left_out,
    random_folds,
    read_groups,
)
from training.defects.evaluation.study import Rules, Trial, slug, study
from training.defects.evaluation.tables import ranking_text, summary, write_json, write_tables
from training.defects.labels import LabelError, LabelledPicture, read_labels
from training.defects.learner import RunLearner
from training.defects.settings import Settings


def evaluate(options: argparse.Namespace, contestants: dict[str, Contestant] | None = None) -> Report:
    """Evaluates, prints the summary and writes everything into `--out`.

    Parameters
    ----------
    contestants: instead of those that the options name.

    Raises
    ------
    ValueError (LabelError, StudyError), OSError, EmserveError: something about the arguments, the labels, the pictures
    or the models is not as it must be.
    """
    pictures = chosen_pictures(options)
    contestants = contestants or chosen_contestants(options, {picture.image for picture in pictures})
    splits = chosen_splits(options, pictures)
    rules = Rules(iou=options.iou, meaning=meaning_of(options.meaning), barriers=_barriers(options))
    options.out.mkdir(parents=True, exist_ok=True)

    def overlay(model: str, split: Split, picture: LabelledPicture, prediction: Prediction) -> None:
        folder = options.out / "overlays" / slug(model) / (slug(split.name) if len(splits) > 1 else "")
        write_overlay(picture, options.images, prediction, folder / f"{Path(picture.image).stem}.png")

    trials = study(
        contestants,
        splits,
        pictures,
        options.images,
        rules,
        keep=options.out / "predictions",
        resume=options.resume,
        watch=overlay if options.overlays else None,
    )
    made = report(trials, rules.iou)
    write_tables(made, options.out)
    write_json(made, _about(trials, pictures, rules), options.out / "evaluation.json")
    plots.draw(trials, made, rules.iou, options.out)
    print(summary(made.pooled))
    if made.ranking:
        print(f"\n{ranking_text(made.ranking)}")
    _print_remarks(trials, pictures, rules)
    return made


def chosen_pictures(options: argparse.Namespace) -> list[LabelledPicture]:
    """The labelled pictures that are asked for, in the order of the labels."""
    pictures = _read(options, options.labels)
    if options.pictures or options.left_out_of:
        wanted = options.pictures or left_out_of(options.left_out_of, options.images)
        known = {picture.image for picture in pictures}
        strangers = [name for name in wanted if name not in known]
        if strangers:
            raise LabelError(f"no labelled picture is called {strangers[0]!r}")
        pictures = [picture for picture in pictures if picture.image in set(wanted)]
    if not pictures:
        raise LabelError(f"{options.labels.name} labels no picture")
    return [calibrated(picture, options.images) for picture in pictures]


def left_out_of(run: Path, images: Path) -> list[str]:
    """The pictures of a folder that a training run has left out, as its settings say.

    Raises
    ------
    LabelError: the run has left out none of that folder.
    """
    sources = Settings.read(run).sources
    names = [name for one in sources if one.images.resolve() == images.resolve() for name in one.left_out]
    if not names:
        raise LabelError(f"the run {run} has left out no picture of {images}")
    return names


def chosen_contestants(options: argparse.Namespace, images: Collection[str]) -> dict[str, Contestant]:
    """The models, labels and ways of training that are to be judged on those pictures, by the name that the tables call
    them."""
    found: dict[str, Contestant] = {}
    precision = None if options.precision == "auto" else options.precision
    for name in options.model:
        model = fixed_model(name, store=options.store, runtime=options.runtime, precision=precision)
        identity = model.network.info.model_dump_json()
        found[_unlike(Path(name).resolve().name, found)] = Networks(model, identity, options.score)
    if options.against:
        labels = [picture for picture in _read(options, options.against) if picture.image in images]
        known = {picture.image: calibrated(picture, options.images) for picture in labels}
        found[_unlike(options.against.stem, found)] = Labels(known, str(options.against))
    if options.learn:
        learner = _learner(options)
        identity = f"{learner.settings.model_dump_json()} {learner.source.model_dump_json()}"
        found[_unlike("learned", found)] = Networks(learner, identity, options.score)
    if not found:
        raise ValueError("nothing to judge: give --model, --against or --learn")
    return found


def _learner(options: argparse.Namespace) -> RunLearner:
    """One training run for each split, in `--out`, by the options of `python -m training defects`.

    Raises
    ------
    ValueError: other sources of the training hold the pictures that are left out.
    """
    own = source_of(options)
    assert own is not None  # --images and --labels are required
    settings = settings_of(options, own)
    others = tuple(one for one in settings.sources if one is not own)
    if any(one.images.resolve() == own.images.resolve() for one in others):
        raise ValueError(f"--published has {own.images} too: the network would learn from what it is judged on")
    if not any((options.folds, options.leave_out is not None, options.by, options.curve is not None)):
        raise ValueError("say which pictures to learn from: --folds, --leave-out, --by or --curve")
    return RunLearner(settings.model_copy(update={"sources": others}), own, options.out / "runs", options.workers)


def chosen_splits(options: argparse.Namespace, pictures: Sequence[LabelledPicture]) -> list[Split]:
    """The splits that are asked for, again for every seed."""
    count, made = len(pictures), []
    groups: list[str] = []
    if options.by:
        images = [picture.image for picture in pictures]
        groups = read_groups(options.groups or options.images / "images.csv", options.by, images)
    seeds = options.seeds or [options.seed]
    for seed in seeds:
        if options.folds is not None:
            splits = random_folds(count, options.folds, seed)
        elif options.leave_out is not None:
            splits = percent_left_out(count, options.leave_out or PERCENTS, draws=options.draws, seed=seed)
        elif options.by:
            splits = groups_left_out(groups, ", ".join(options.by), seed)
        elif options.curve is not None:
            splits = growing(count, options.curve or None, draws=options.draws, seed=seed)
        else:
            return everything(count)
        several = len(seeds) > 1
        made += [replace(one, name=f"{one.name}, seed {seed}") if several else one for one in splits]
    return made


def _read(options: argparse.Namespace, labels: Path) -> list[LabelledPicture]:
    return read_labels(
        labels,
        options.images,
        names=options.names,
        class_name=options.class_name,
        labelled=options.labelled,
        columns=options.columns,
        attribute=options.attribute,
        pixel_size_nm=options.pixel_size_nm,
        thickness_nm=options.thickness_nm,
    )


def _barriers(options: argparse.Namespace) -> BarrierModel:
    return BarrierModel(strengths={**BarrierModel().strengths, **dict(options.barrier)})


def _unlike(name: str, taken: dict[str, Contestant]) -> str:
    """The name, with a number where another contestant has it."""
    return next(n for k in range(1, len(taken) + 2) if (n := name if k == 1 else f"{name} {k}") not in taken)


def _about(trials: Sequence[Trial], pictures: Sequence[LabelledPicture], rules: Rules) -> dict[str, Any]:
    return {
        "command": shlex.join(["python", "-m", "training", *sys.argv[1:]]),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "rules": asdict(rules),
        "classes": {name: asdict(kind) for name, kind in KNOWN.items()},
        "labels": [
            {
                "image": picture.image,
                "defects": len(picture.labels),
                "labelled": sorted(picture.labelled),
                "pixel_size_nm": picture.pixel_size_nm,
                "thickness_nm": picture.thickness_nm,
            }
            for picture in pictures
        ],
        "trials": [
            {
                "model": trial.model,
                "about": dict(trial.about),
                "setting": trial.split.setting,
                "split": trial.split.name,
                "seed": trial.split.seed,
                "train": [pictures[i].image for i in trial.split.train],
                "test": [pictures[i].image for i in trial.split.test],
                "judged": [verdict.image for verdict in trial.verdicts],
            }
            for trial in trials
        ],
    }


def _print_remarks(trials: Sequence[Trial], pictures: Sequence[LabelledPicture], rules: Rules) -> None:
    """What the figures do not say, and why."""
    asked = sum(len(trial.split.test) for trial in trials)
    judged = sum(len(trial.verdicts) for trial in trials)
    if judged < asked:
        print(f"{asked - judged} of {asked} pictures were not judged: the labels held against know nothing of them.")
    if not any(label.has_outline for picture in pictures for label in picture.labels):
        print("Labels that are boxes tell no size, no shape and no hardening; found means by the IoU of boxes.")
    elif any(picture.pixel_size_nm is None for picture in pictures):
        print("Without a pixel size, sizes are in px and there is no hardening: give --pixel-size-nm.")
    elif any(picture.thickness_nm is None for picture in pictures):
        print("Without the thickness of the foil there is no hardening: give --thickness-nm.")
    else:
        judged_as = {
            name for trial in trials for verdict in trial.verdicts for name in verdict.true.class_names.tolist()
        }
        for name in sorted(judged_as - set(rules.barriers.strengths)):
            print(f"The hardening leaves out {name}, whose strength is not known: give --barrier {name}=ALPHA.")
