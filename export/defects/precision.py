"""Whether a Mask R-CNN finds the same defects in bf16: `python -m export precision defects NAME …`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from analysis.defects.metrics import IOU_THRESHOLD
from analysis.defects.preprocess import InputSpec
from export.precision import Family, Scores
from model_store.store import Model
from training.defects.commands import add_source_arguments, source_of
from training.defects.evaluation.figures import FIND, TYPES, figures
from training.defects.evaluation.predictions import calibrated, predict
from training.defects.evaluation.verdicts import Verdict, judge
from training.defects.labels import LabelledPicture
from training.defects.published import published


@dataclass(frozen=True)
class Judged:
    """A picture's verdict, and whether its labels say of which of the network's classes each defect is."""

    verdict: Verdict
    names_kinds: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that name the labelled micrographs."""
    parser.add_argument(
        "--published", type=Path, metavar="DIR", help="the published micrographs in a folder, what training leaves out"
    )
    add_source_arguments(parser.add_argument_group("your own micrographs"))


def judged(models: Sequence[Model], options: argparse.Namespace) -> Iterator[tuple[str, list[list[Judged]]]]:
    """The verdicts on the pictures that a source leaves out of training, or else on all of it, for every model.

    Raises:
        ValueError: there are no pictures.
    """
    sources = [own] if (own := source_of(options)) is not None else []
    if options.published is not None:
        sources += published(options.published, three_class=True)
    if not sources:
        raise ValueError("there are no labelled pictures: give --images and --labels, or --published")
    for source in sources:
        pictures = [p for p in source.pictures() if not source.left_out or p.image in source.left_out]
        title = source.labels.parent.name
        yield title, [_verdicts(model, title, source.images, pictures) for model in models]


def _verdicts(model: Model, title: str, images: Path, pictures: Sequence[LabelledPicture]) -> list[Judged]:
    spec = InputSpec.model_validate(model.manifest.input)
    verdicts = []
    for labelled in tqdm(pictures, desc=f"{title}, {model.info.precision}", disable=None):
        picture = calibrated(labelled, images)
        prediction = predict(picture, images, model, spec)
        verdict = judge(picture.image, prediction, picture.table(), classes=spec.classes)
        verdicts.append(Judged(verdict, picture.labelled <= set(spec.classes)))
    return verdicts


def scores(judged: Sequence[Judged]) -> Scores:
    """F1 at IoU 0.3: of any class, and each right only in its class.

    Pictures whose labels say `loop` of whatever they show have no say in the latter; where no others are, it is not
    given.
    """
    find = figures([one.verdict for one in judged], FIND, IOU_THRESHOLD)
    found = {"find_f1": find["f1"]}
    kinds = [one.verdict for one in judged if one.names_kinds]
    if kinds:
        found["type_f1"] = figures(kinds, TYPES, IOU_THRESHOLD)["f1"]
    return Scores.model_validate({"scores": found, "true": find["true"], "predicted": find["predicted"]})


FAMILY = Family(
    scored="labelled real micrographs",
    things="defects",
    measures=f"find and type F1 at IoU {IOU_THRESHOLD:g}",
    add_arguments=add_arguments,
    judged=judged,
    scores=scores,
)
