"""Contestants × splits → judged pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.defects.hardening import BarrierModel
from analysis.defects.metrics import IOU_THRESHOLD
from analysis.defects.table import DefectTable
from training.defects.evaluation.contestants import Answers, Contestant, Networks
from training.defects.evaluation.predictions import Prediction, load, save
from training.defects.evaluation.splits import Split
from training.defects.evaluation.verdicts import THRESHOLDS, Verdict, judge
from training.defects.labels import LabelledPicture


@dataclass(frozen=True)
class Rules:
    """How pictures are judged.

    iou: the threshold of all figures that are given at one. meaning: for a name in the labels, the classes that it may
    be. barriers: constants of the hardening.
    """

    iou: float = IOU_THRESHOLD
    meaning: Mapping[str, Sequence[str]] = field(default_factory=dict)
    barriers: BarrierModel = field(default_factory=BarrierModel)

    @property
    def thresholds(self) -> tuple[float, ...]:
        """All IoU thresholds that pictures are judged at."""
        return tuple(sorted({*THRESHOLDS, self.iou}))


@dataclass(frozen=True, eq=False)
class Trial:
    """One contestant in one split. about: of the network, or of the labels, that answered."""

    model: str
    split: Split
    about: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]


class StudyError(ValueError):
    """What was kept of an earlier evaluation is not of this one."""


def study(
    contestants: Mapping[str, Contestant],
    splits: Sequence[Split],
    pictures: Sequence[LabelledPicture],
    images: Path,
    rules: Rules,
    *,
    keep: Path | None = None,
    resume: bool = False,
    watch: Callable[[str, Split, LabelledPicture, Prediction], None] | None = None,
) -> list[Trial]:
    """Let every contestant answer to every split, and judge the answers.

    Parameters
    ----------
    keep: folder for what networks answered, one file for each split: written as soon as the split is done.
    resume: splits that are kept there already are read back instead of being trained and run again.
    watch: is shown every answer, with the contestant's name.

    Raises
    ------
    StudyError: what is kept was made of other pictures or by another model.
    """
    truths: dict[str, DefectTable] = {}
    trials = []
    for name, contestant in contestants.items():
        for split in splits:
            head = _head(name, contestant, split, pictures)
            path = keep / slug(name) / f"{slug(split.name)}.json" if keep and isinstance(contestant, Networks) else None
            answers = _kept(path, head) if path and resume and path.exists() else None
            if answers is None:
                answers = contestant.answers(split, pictures, images)
                if path:
                    made = {"classes": list(answers.classes), "about": dict(answers.about)}
                    save(path, head | made, answers.by_image)
            verdicts = []
            for i in split.test:
                picture = pictures[i]
                if picture.image not in answers.by_image:
                    continue
                if watch:
                    watch(name, split, picture, answers.by_image[picture.image])
                if picture.image not in truths:
                    truths[picture.image] = picture.table()
                verdicts.append(
                    judge(
                        picture.image,
                        answers.by_image[picture.image],
                        truths[picture.image],
                        classes=answers.classes,
                        meaning=rules.meaning,
                        thresholds=rules.thresholds,
                        thickness_nm=picture.thickness_nm,
                        barriers=rules.barriers,
                    )
                )
            trials.append(Trial(name, split, answers.about, tuple(verdicts)))
    return trials


def slug(name: str) -> str:
    """A name as part of a file's."""
    return re.sub(r"[^\w.-]+", "_", name).strip("_.") or "_"


def _head(name: str, contestant: Contestant, split: Split, pictures: Sequence[LabelledPicture]) -> dict[str, Any]:
    return {
        "model": name,
        "identity": contestant.identity,
        "split": split.name,
        "seed": split.seed,
        "train": [pictures[i].image for i in split.train],
        "test": [pictures[i].image for i in split.test],
    }


def _kept(path: Path, head: Mapping[str, Any]) -> Answers:
    found, predictions = load(path)
    different = [key for key, value in head.items() if found.get(key) != value]
    if different:
        raise StudyError(f"{path} was made with another {', '.join(different)}: give another folder, or do not resume")
    return Answers(predictions, tuple(found["classes"]), found["about"])
