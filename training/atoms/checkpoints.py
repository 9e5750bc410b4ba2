"""Networks of finished and unfinished runs."""

from __future__ import annotations

from pathlib import Path

from training.atoms.networks import AtomNetwork, build
from training.atoms.settings import Settings
from training.checkpoints import Checkpoint


def trained_network(folder: Path) -> AtomNetwork:
    """The network of a run's folder with its averaged weights, in `eval`."""
    network = build(Settings.read(folder).network)
    network.load_state_dict(Checkpoint.read(folder).averaged)
    return network.eval()
