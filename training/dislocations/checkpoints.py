"""Networks of finished and unfinished runs: the weights that did best on pictures that training never showed."""

from __future__ import annotations

from pathlib import Path

import torch

from model_store.manifest import FILE_NAME as MANIFEST
from model_store.manifest import load
from model_store.store import Store
from training.dislocations.networks import LineNetwork, build
from training.dislocations.networks.stored import load_stored
from training.dislocations.settings import Settings

BEST = "best.pt"
GONE_ON_WITH = {"network", "masks", "microstructures", "backgrounds", "background_folder", "size_px", "batch"}
"""Settings of a run that another one which starts from it has too, unless it says otherwise."""


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


def started_from(start: str) -> LineNetwork:
    """The network that a run starts from: of the folder of another run, or a model of the store by name or folder.

    Raises:
        FileNotFoundError: there is neither. StoreError: the model is no network for dislocation lines.
    """
    stored = _stored(start)
    return trained_network(Path(start)) if stored is None else load_stored(stored)


def settings_of_start(start: str) -> dict[str, object]:
    """What is known of the settings of what a run starts from; raises as `started_from`."""
    stored = _stored(start)
    if stored is None:
        return Settings.read(Path(start)).model_dump(include=GONE_ON_WITH)
    network = load_stored(stored)
    return {"network": network.name, "masks": network.masks, "size_px": load(stored).input["tile_px"]}


def _stored(start: str) -> Path | None:
    """The folder of a model of the store; None for anything else."""
    folders = (Path(start), Store().root / start)
    return next((folder for folder in folders if (folder / MANIFEST).exists()), None)
