"""Who answers: networks that learn for each split, models that have learned, other people's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tqdm import tqdm

from analysis.defects.pipeline import DefectsNetwork
from training.defects.evaluation.learners import Learner
from training.defects.evaluation.predictions import Prediction, of_labels, predict
from training.defects.evaluation.splits import Split
from training.defects.labels import LabelledPicture


@dataclass(frozen=True, eq=False)
class Answers:
    """What was answered to the pictures of one split.

    by_image: a prediction for each that was answered. classes: all that could have been. about: who it was.
    """

    by_image: Mapping[str, Prediction]
    classes: tuple[str, ...]
    about: Mapping[str, Any]


class Contestant(Protocol):
    """Something that is judged."""

    @property
    def identity(self) -> str:
        """Text that changes when its answers might."""
        ...

    def answers(self, split: Split, pictures: Sequence[LabelledPicture], images: Path) -> Answers:
        """Its answers to the test pictures of a split, after learning from the training pictures, if it learns."""
        ...


@dataclass(eq=False)
class Networks:
    """The networks of a learner; a picture that the same network has seen before is not sent to it again.

    score: the least; None for each model's own.
    """

    learner: Learner
    identity: str
    score: float | None = None
    _network: DefectsNetwork | None = field(default=None, repr=False)
    _seen: dict[str, Prediction] = field(default_factory=dict, repr=False)

    def answers(self, split: Split, pictures: Sequence[LabelledPicture], images: Path) -> Answers:
        """Learns, then runs the network on every test picture, one at a time."""
        network, spec = self.learner.fit([pictures[i] for i in split.train], images, seed=split.seed)
        if network is not self._network:
            self._network, self._seen = network, {}
        for i in tqdm(split.test, desc=f"{network.info.name}, {split.name}", unit="", leave=False, disable=None):
            if pictures[i].image not in self._seen:
                self._seen[pictures[i].image] = predict(pictures[i], images, network, spec, score=self.score)
        found = {pictures[i].image: self._seen[pictures[i].image] for i in split.test}
        return Answers(found, spec.classes, network.info.model_dump())


@dataclass(frozen=True, eq=False)
class Labels:
    """Somebody's labels. Pictures that they do not know are not answered: nobody looked at them."""

    labels: Mapping[str, LabelledPicture]
    identity: str

    def answers(self, split: Split, pictures: Sequence[LabelledPicture], images: Path) -> Answers:
        """The labels of the split's test pictures."""
        known = [pictures[i].image for i in split.test if pictures[i].image in self.labels]
        classes = sorted({name for picture in self.labels.values() for name in picture.labelled})
        return Answers(
            {image: of_labels(self.labels[image]) for image in known}, tuple(classes), {"labels": self.identity}
        )
