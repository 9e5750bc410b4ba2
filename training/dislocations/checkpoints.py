"""Networks of finished and unfinished runs: the weights that did best on pictures that training never showed."""

from __future__ import annotations

from pathlib import Path

import torch

from training.dislocations.networks import LineNetwork, build
from training.dislocations.settings import Settings

BEST = "best.pt"


def write_best(network: LineNetwork, folder: Path) -> None:
    """Replaces the best weights of a run's folder in one move: an interruption leaves those before."""
    temporary = (folder / BEST).with_suffix(".partial")
    torch.save(network.state_dict(), temporary)
    temporary.replace(folder / BEST)


def trained_network(folder: Path) -> LineNetwork:
    """The network of a run's folder with its best weights, in `eval`, on the CPU.

    Raises:
        FileNotFoundError: there is no run, or it was not validated yet.
    """
    settings = Settings.read(folder)
    network = build(settings.network, masks=settings.masks)
    network.load_state_dict(torch.load(folder / BEST, map_location="cpu", weights_only=True))
    return network.eval()
