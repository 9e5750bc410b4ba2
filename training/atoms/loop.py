"""Training of the networks for atom columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from training.atoms.dataset import Batch, batches
from training.atoms.losses import map_loss
from training.atoms.networks import AtomNetwork, build
from training.atoms.settings import Settings
from training.atoms.validation import HeldOutPictures
from training.curves import Panel
from training.loop import Loop, begin


class Training(Loop[AtomNetwork, Settings, Batch]):
    """One run in one folder."""

    panels = (
        Panel(
            "Held-out pictures, usual quality",
            (("recall", "ID-recall"), ("precision", "ID-precision")),
            bottom=0.5,
            top=1.01,
        ),
        Panel("Δd of the map (before refinement)", (("rms_pm", "Δd"),), unit="pm"),
    )

    def __init__(self, settings: Settings, folder: Path, *, device: torch.device | None = None) -> None:
        super().__init__(build(settings.network, seed=settings.seed), settings, folder, device=device)
        self._held_out: HeldOutPictures | None = None

    def loss(self, batch: Batch) -> tuple[Tensor, Mapping[str, float]]:
        """The loss of the map."""
        pictures = batch.pictures.to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.network.logits(pictures)
        return map_loss(logits.float(), batch.maps.to(self.device), batch.judged.to(self.device)), {}

    def batches(self, first_step: int, workers: int) -> Iterator[Batch]:
        """Synthetic pictures without end."""
        return batches(self.settings, first_step=first_step, workers=workers)

    def validate(self) -> Mapping[str, float]:
        """ID-recall, ID-precision and Δd in pm, on pictures that training never shows."""
        if self._held_out is None:
            self._held_out = HeldOutPictures(self.settings.size_px, self.settings.lattices)
        return vars(self._held_out.validate(self.averaged.network))


def train(
    settings: Settings, folder: Path, *, resume: bool = False, workers: int = 1, progress_bar: bool = True
) -> None:
    """Trains a network into `folder`.

    Raises:
        FileExistsError: the folder has a checkpoint already and `resume` was not asked for.
        FileNotFoundError: `resume` was asked for and there is no checkpoint.
    """
    training = Training(begin(settings, folder, resume=resume), folder)
    if resume:
        training.resume()
    training.run(workers=workers, progress_bar=progress_bar)
