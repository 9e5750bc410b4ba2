"""`python -m training defects`: train a network for defects, on published micrographs or on one's own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from emserve.exceptions import EmserveError
from training.checkpoints import FILE_NAME as CHECKPOINT
from training.defects.building import CONFIGS, UnknownStart, started_from
from training.defects.labels import LabelError
from training.defects.loop import train
from training.defects.published import CLASSES, published
from training.defects.report import write_report
from training.defects.settings import Settings
from training.defects.sources import SourceSettings, classes_of, read_sources
from training.settings import in_words

DEFAULT_MINUTES = 60.0
FROM_SCRATCH, GOING_ON = 1e-3, 3e-4
"""Peak learning rates."""
FROZEN_IN_DETECTRON2 = 2
"""Stages that Detectron2 freezes when it fine-tunes: the stem and the first one."""
HELD_OUT = 0.1


def add_training(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m training defects`."""
    parser.description = (
        "Train a Mask R-CNN for defects on synthetic micrographs and on real ones: your own (--images, --labels), "
        "those that others published (--published), or both. With --start, a trained network goes on from what it "
        "knows: that is how to adapt the network that ships to your own microscope. The folder of the run gets the "
        "weights, the curves and a report on pictures that were left out of the training."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out, with its own settings")
    parser.add_argument("--workers", type=int, default=1, help="processes that make pictures")
    add_source_arguments(parser.add_argument_group("your own micrographs"))
    parser.add_argument("--left-out", nargs="+", default=[], metavar="PICTURE", help="your pictures to judge by")
    parser.add_argument(
        "--held-out", type=float, default=HELD_OUT, metavar="SHARE", help="else this share of them, at random (0.1)"
    )
    add_run_arguments(parser)
    parser.set_defaults(run=run_training)


def add_source_arguments(parser: argparse._ActionsContainer, *, required: bool = False) -> None:
    """Arguments that say where labelled pictures are, and what their labels mean; for `source_of`."""
    parser.add_argument("--images", type=Path, required=required, metavar="DIR", help="folder of micrographs")
    parser.add_argument(
        "--labels",
        type=Path,
        required=required,
        metavar="FILE",
        help="VIA JSON, COCO JSON, a CSV file of boxes or of ImageJ's ellipses, or a folder of YOLO polygons or boxes",
    )
    parser.add_argument(
        "--labelled", nargs="+", metavar="CLASS", help="classes that were looked for everywhere (default: that occur)"
    )
    parser.add_argument("--class-name", metavar="CLASS", help="of labels that have no class")
    parser.add_argument("--names", nargs="+", default=[], metavar="CLASS", help="of the numbers 0, 1, … in the labels")
    parser.add_argument(
        "--columns", nargs="+", default=[], metavar="COLUMN", help="of a folder of box texts, such as class x1 y1 x2 y2"
    )
    parser.add_argument("--attribute", help="of a VIA file: the region attribute that holds the class")
    parser.add_argument(
        "--meaning",
        nargs="+",
        default=[],
        metavar="NAME=CLASS,CLASS",
        help="a name in the labels that does not say the class: which ones it may be, such as loop=loop_111,loop_100",
    )
    parser.add_argument(
        "--pixel-size-nm", type=float, help="where images.csv does not tell (default: what the files say)"
    )
    parser.add_argument("--thickness-nm", type=float, help="of the foil, where images.csv does not tell")


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that say what is trained, how, and for how long; for `settings_of`."""
    group = parser.add_argument_group("training")
    group.add_argument("--published", type=Path, metavar="DIR", help="train on the published micrographs in a folder")
    group.add_argument("--three-class", action="store_true", help="of the published ones, on fecral_three_class too")
    group.add_argument("--network", choices=sorted(CONFIGS), default="compact", help="from random weights")
    group.add_argument(
        "--start",
        nargs="+",
        default=[],
        metavar="MODEL",
        help="go on from a model of the store, from the folder of a run, or from Detectron2's config.yaml and .pth",
    )
    group.add_argument("--freeze", type=int, help="stages of the ResNet to keep (default: 2 of Detectron2's, else 0)")
    group.add_argument("--classes", nargs="+", metavar="CLASS", help="of the network (default: the start's or labels')")
    group.add_argument("--synthetic", type=float, metavar="SHARE", help="of synthetic pictures, 0 to 1")
    length = group.add_mutually_exclusive_group()
    length.add_argument("--steps", type=int, help="train this many steps: the same result on every machine of a kind")
    length.add_argument("--minutes", type=float, help=f"train this long (default: {DEFAULT_MINUTES:g})")
    group.add_argument("--seed", type=int, default=1)
    group.add_argument("--batch", type=int, default=8)
    group.add_argument("--size", type=int, default=320, help="height and width of the squares it sees, px")
    group.add_argument("--learning-rate", type=float, help="at its peak")
    group.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    group.add_argument("--threads", type=int, help="threads of the network (default: PyTorch's)")


def run_training(options: argparse.Namespace) -> int:
    """Trains and reports, or says what is wrong with the arguments."""
    try:
        if options.resume:
            if not (options.out / CHECKPOINT).exists():
                raise ValueError(f"there is no run in {options.out} to go on with")
            settings = Settings.read(options.out)
            if options.threads:
                torch.set_num_threads(options.threads)
        else:
            own = source_of(options)
            settings = settings_of(options, None if own is None else with_left_out(own, options))
        train(settings, options.out, resume=options.resume, workers=options.workers)
        write_report(options.out)
    except (EmserveError, LabelError, UnknownStart, OSError, ValueError) as error:
        print(in_words(error), file=sys.stderr)
        return 2
    print(f"{options.out}: report.md says how it does on pictures that it was not trained on")
    return 0


def source_of(options: argparse.Namespace) -> SourceSettings | None:
    """The user's own pictures; None where none are given. Raises ValueError."""
    if (options.images is None) != (options.labels is None):
        raise ValueError("--images and --labels go together")
    if options.images is None:
        return None
    return SourceSettings(
        images=options.images,
        labels=options.labels,
        names=tuple(options.names),
        class_name=options.class_name,
        labelled=tuple(options.labelled) if options.labelled else None,
        columns=tuple(options.columns),
        attribute=options.attribute,
        pixel_size_nm=options.pixel_size_nm,
        thickness_nm=options.thickness_nm,
        meaning=meaning_of(options.meaning),
    )


def meaning_of(arguments: list[str]) -> dict[str, tuple[str, ...]]:
    """`loop=loop_111,loop_100` → {"loop": ("loop_111", "loop_100")}. Raises ValueError."""
    meaning = {}
    for argument in arguments:
        name, equals, classes = argument.partition("=")
        if not equals or not all((name, *classes.split(","))):
            raise ValueError(f"--meaning wants NAME=CLASS,CLASS, got {argument!r}")
        meaning[name] = tuple(classes.split(","))
    return meaning


def with_left_out(source: SourceSettings, options: argparse.Namespace) -> SourceSettings:
    """The source without the pictures that it will be judged by: the named ones, or some drawn by the seed."""
    names = sorted(picture.image for picture in source.pictures())
    if options.left_out:
        return source.model_copy(update={"left_out": tuple(options.left_out)})
    if not 0 <= options.held_out < 1:
        raise ValueError("--held-out is a share from 0 to below 1")
    count = min(max(1, round(options.held_out * len(names))) if options.held_out else 0, len(names) - 1)
    if count <= 0:
        return source
    chosen = np.random.default_rng(options.seed).choice(len(names), count, replace=False)
    return source.model_copy(update={"left_out": tuple(names[i] for i in sorted(chosen))})


def settings_of(options: argparse.Namespace, own: SourceSettings | None) -> Settings:
    """The settings of a run. Raises ValueError, LabelError and UnknownStart."""
    if options.threads:
        torch.set_num_threads(options.threads)
    sources = published(options.published, three_class=options.three_class) if options.published else ()
    if options.published and not sources:
        raise ValueError(f"there are no published micrographs in {options.published}")
    sources += () if own is None else (own,)
    classes = network_classes(options, own)
    made = options.synthetic
    if made is None:
        made = 0.0 if set(classes) - set(CLASSES) else 1.0 if not sources else 0.5
    freeze = options.freeze
    return Settings(
        network=options.network,
        classes=classes,
        start=tuple(options.start),
        frozen_stages=(FROZEN_IN_DETECTRON2 if len(options.start) == 2 else 0) if freeze is None else freeze,
        seed=options.seed,
        steps=options.steps,
        minutes=None if options.steps else options.minutes or DEFAULT_MINUTES,
        batch=options.batch,
        size_px=options.size,
        synthetic=made,
        sources=sources,
        peak_learning_rate=options.learning_rate or (GOING_ON if options.start else FROM_SCRATCH),
        precision=options.precision,
    )


def network_classes(options: argparse.Namespace, own: SourceSettings | None) -> tuple[str, ...]:
    """The classes of the network: as asked for, else those that it starts with and those that the labels add."""
    if options.classes:
        return tuple(options.classes)
    # Detectron2's files do not name their classes.
    known = started_from(options.start).config.classes if len(options.start) == 1 else ()
    if options.published or own is None:
        known = known or CLASSES
    labelled = classes_of(read_sources([own])[0]) if own is not None else ()
    return tuple(dict.fromkeys((*known, *labelled)))
