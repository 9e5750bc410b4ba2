"""Training runs for the evaluation: one for each choice of pictures to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.defects.pipeline import DefectsNetwork
from analysis.defects.preprocess import InputSpec
from training.checkpoints import FILE_NAME, Checkpoint
from training.defects.building import trained_network
from training.defects.labels import LabelledPicture
from training.defects.loop import train
from training.defects.serving import TorchNetwork, spec_of_run
from training.defects.settings import Settings
from training.defects.sources import SourceSettings


@dataclass(frozen=True)
class RunLearner:
    """Trains a network of its own for each choice of pictures; runs that are finished are not made again.

    settings: of every run; its sources are trained on in addition. source: the folder that the pictures are chosen
    from. folder: gets one run for each choice and seed. workers: processes that make pictures.
    """

    settings: Settings
    source: SourceSettings
    folder: Path
    workers: int = 1

    def fit(self, pictures: Sequence[LabelledPicture], images: Path, *, seed: int) -> tuple[DefectsNetwork, InputSpec]:
        """A network that has learned from these pictures of the source, and from no others of it.

        Raises:
            ValueError: no picture to learn from.
        """
        chosen = {picture.image for picture in pictures}
        if not chosen:
            raise ValueError("there is no picture to learn from")
        left_out = tuple(sorted(picture.image for picture in self.source.pictures() if picture.image not in chosen))
        # A training knows nothing of the foil, so that its thickness makes no other run.
        source = self.source.model_copy(update={"left_out": left_out, "thickness_nm": None})
        settings = self.settings.model_copy(update={"seed": seed, "sources": (*self.settings.sources, source)})
        run = self.folder / hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:12]
        begun = (run / FILE_NAME).exists()
        if not (begun and Checkpoint.read(run).finished):
            train(settings, run, resume=begun, workers=self.workers)
        network = trained_network(run)
        return TorchNetwork(network, name=f"run {run.name}"), spec_of_run(run, network)
