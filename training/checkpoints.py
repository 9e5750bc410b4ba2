"""Where a training run stands, on disk: written whole or not at all, and read without running any code of the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FILE_NAME = "checkpoint.pt"


@dataclass
class Checkpoint:
    """State after `step` steps. `averaged` are the weights to use; the others are for going on."""

    network: dict[str, Tensor]
    averaged: dict[str, Tensor]
    optimizer: dict[str, Any]
    step: int
    minutes: float
    log: list[dict[str, float]] = field(default_factory=list)
    finished: bool = False
    device: str = "CPU"

    def write(self, folder: Path) -> None:
        """Replaces the checkpoint of a run's folder in one move: an interruption leaves the one before."""
        target = folder / FILE_NAME
        temporary = target.with_suffix(".partial")
        torch.save(vars(self), temporary)
        temporary.replace(target)

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """The checkpoint of a run's folder, on the CPU.

        Raises:
            FileNotFoundError: the run has none yet.
        """
        return cls(**torch.load(folder / FILE_NAME, map_location="cpu", weights_only=True))
