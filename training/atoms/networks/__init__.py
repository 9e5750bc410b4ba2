"""Networks for atom columns, by name. Every one of them runs through the same battery of tests."""

from __future__ import annotations

from training.atoms.networks.base import AtomNetwork
from training.atoms.networks.cubic import Cubic
from training.atoms.networks.segresnet import SegResNet

NETWORKS: dict[str, type[AtomNetwork]] = {network.name: network for network in (SegResNet, Cubic)}
DEFAULT = SegResNet.name


def build(name: str, *, seed: int = 0) -> AtomNetwork:
    """A freshly initialised network.

    Raises:
        KeyError: no network has that name; the message lists those that exist.
    """
    if name not in NETWORKS:
        raise KeyError(f"no network is called {name!r}; there are {', '.join(NETWORKS)}")
    network = NETWORKS[name]()
    network.initialise(seed)
    return network
