"""Training of Mask R-CNN on synthetic and on labelled micrographs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from training.curves import Panel
from training.defects.building import CONFIG_NAME, build
from training.defects.dataset import Batch, batches
from training.defects.labels import LabelError
from training.defects.losses import MaskRCNNLoss
from training.defects.networks import MaskRCNN
from training.defects.serving import TorchNetwork, input_spec
from training.defects.settings import Settings
from training.defects.sources import classes_of, read_sources
from training.defects.validation import HeldOutPictures
from training.loop import Loop, begin


class Training(Loop[MaskRCNN, Settings, Batch]):
    """One run in one folder."""

    panels = (
        Panel(
            "Parts of the loss",
            (
                ("objectness", "objectness"),
                ("anchor_box", "box of the proposal"),
                ("region_class", "class"),
                ("region_box", "box"),
                ("region_mask", "mask"),
            ),
        ),
        Panel("Held-out synthetic pictures", (("find_f1", "find F1"), ("type_f1", "type F1")), top=1.01),
        Panel(
            "Real pictures left out of training",
            (("real_find_f1", "find F1"), ("real_recall", "recall"), ("real_type_f1", "type F1")),
            top=1.01,
        ),
    )
    gradient_limit = 5.0

    def __init__(self, settings: Settings, folder: Path, *, device: torch.device | None = None) -> None:
        super().__init__(build(settings), settings, folder, device=device)
        self.sources, self._left_out = read_sources(settings.sources)
        strangers = sorted(set(classes_of([*self.sources, *self._left_out])) - set(settings.classes))
        if strangers:
            raise LabelError(
                f"the labels know {', '.join(strangers)}, the network {', '.join(settings.classes)}: "
                "give it those classes too (--classes), or say what they may be (--meaning)"
            )
        self._loss = MaskRCNNLoss(self.network.config, settings.seed)
        self._held_out: HeldOutPictures | None = None

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """The five losses of a batch."""
        # Which examples are drawn depends on the step alone, so that a resumed run sees what an uninterrupted one does.
        self._loss.generator.manual_seed((self.settings.seed << 32) + self.step)
        channels = self.network.config.input_channels
        pictures = batch.pictures.expand(-1, channels, -1, -1)
        pictures = pictures.to(self.device, memory_format=torch.channels_last)
        targets = [target.to(self.device) for target in batch.targets]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            losses = self._loss(self.network, pictures, targets)
        return losses.total(), losses.numbers()

    def batches(self, first_step: int, workers: int) -> Iterator[Batch]:
        """Squares of synthetic and of real pictures without end."""
        return batches(self.settings, self.sources, first_step=first_step, workers=workers)

    def validate(self) -> Mapping[str, float]:
        """F1 on held-out pictures, synthetic and real, at the default score."""
        if self._held_out is None:
            self._held_out = HeldOutPictures(self.settings, self._left_out)
        network = self.averaged.network
        return self._held_out.validate(TorchNetwork(network), input_spec(network, self.settings))


def train(
    settings: Settings,
    folder: Path,
    *,
    resume: bool = False,
    workers: int = 1,
    progress_bar: bool = True,
    device: torch.device | None = None,
) -> MaskRCNN:
    """Trains a network into `folder`; answers with the averaged weights, in `eval`.

    Raises:
        FileExistsError: the folder has a checkpoint already and `resume` was not asked for.
        FileNotFoundError: `resume` was asked for and there is no checkpoint.
        LabelError, UnknownStart: what was asked for cannot be read.
    """
    training = Training(begin(settings, folder, resume=resume), folder, device=device)
    if resume:
        training.resume()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_NAME).write_text(training.network.config.model_dump_json(indent=1) + "\n", encoding="utf-8")
    training.run(workers=workers, progress_bar=progress_bar)
    return training.averaged.network
