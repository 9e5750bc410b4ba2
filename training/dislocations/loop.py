"""Training of the networks for dislocation lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from training.curves import Panel
from training.dislocations.checkpoints import started_from, write_best
from training.dislocations.dataset import Batch, batches
from training.dislocations.examples import background_folder, drawn_from
from training.dislocations.losses import line_losses
from training.dislocations.matching import MATCHINGS
from training.dislocations.networks import LineNetwork, build
from training.dislocations.settings import Settings
from training.dislocations.validation import HeldOutPictures
from training.loop import Loop, begin

JUDGED_BY = "length_score"
"""The figure of the validation that decides which weights are the best."""


class WrongStart(ValueError):
    """The network to go on from is another one than the settings name."""


class Training(Loop[LineNetwork, Settings, Batch]):
    """One run in one folder."""

    panels = (
        Panel(
            "Held-out pictures",
            ((JUDGED_BY, "length score"), ("recall", "recall"), ("precision", "precision")),
            top=1.01,
        ),
        Panel("Parts of the loss", (("dice", "Dice of the lines"), ("empty", "masks without a line")), top=1.01),
    )

    def __init__(self, settings: Settings, folder: Path, *, device: torch.device | None = None) -> None:
        super().__init__(network_to_train(settings), settings, folder, device=device)
        self._held_out: HeldOutPictures | None = None

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """Dice of the lines with their masks, and what masks without a line hold."""
        pictures = batch.pictures.to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.network.logits(pictures)
        losses = line_losses(
            logits,
            batch.lines.to(self.device),
            matching=MATCHINGS[self.settings.matching],
            empty_weight=self.settings.empty_weight,
        )
        return losses.total(), {"dice": losses.dice.item(), "empty": losses.empty.item()}

    def batches(self, first_step: int, workers: int) -> Iterator[Batch]:
        """Pictures without end, synthetic ones and labelled frames."""
        return batches(self.settings, first_step=first_step, workers=workers)

    def validate(self) -> Mapping[str, float]:
        """Scores on pictures that training never shows; weights that do better than all before are kept."""
        figures = self._figures()
        if figures[JUDGED_BY] >= max((row.get(JUDGED_BY, 0.0) for row in self.log), default=0.0):
            write_best(self.averaged.network, self.folder)
        return figures

    def _figures(self) -> Mapping[str, float]:
        if self._held_out is None:
            self._held_out = HeldOutPictures(self.settings)
        return vars(self._held_out.validate(self.averaged.network))


def network_to_train(settings: Settings) -> LineNetwork:
    """A new network, or that of the run or the model of the store that the settings start from.

    Raises:
        WrongStart: that run's network is of another kind or has another number of masks.
    """
    if settings.start is None:
        return build(settings.network, masks=settings.masks, seed=settings.seed)
    network = started_from(settings.start)
    if (network.name, network.masks) != (settings.network, settings.masks):
        raise WrongStart(
            f"{settings.start} holds {network.name} with {network.masks} masks, not {settings.network} with "
            f"{settings.masks}: give --network and --masks as they were there"
        )
    return network.train()


def train(
    settings: Settings, folder: Path, *, resume: bool = False, workers: int = 1, progress_bar: bool = True
) -> None:
    """Trains a network into `folder`.

    Raises:
        FileExistsError: the folder has a checkpoint already and `resume` was not asked for.
        FileNotFoundError: `resume` was asked for and there is no checkpoint, or a microstructure or the folder of the
            backgrounds is not there.
        LabelError, WrongStart: see there.
    """
    for name in settings.microstructures:
        drawn_from(name)
    background_folder(settings.background_folder)
    training = Training(begin(settings, folder, resume=resume), folder)
    if resume:
        training.resume()
    training.run(workers=workers, progress_bar=progress_bar)
