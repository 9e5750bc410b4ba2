"""Networks for dislocation lines, by name. Every one of them runs through the same battery of tests."""

from __future__ import annotations

from training.dislocations.networks.base import MASKS, LineNetwork
from training.dislocations.networks.unetplusplus import CompactUNetPlusPlus, PublishedUNetPlusPlus

NETWORKS: dict[str, type[LineNetwork]] = {
    network.name: network for network in (CompactUNetPlusPlus, PublishedUNetPlusPlus)
}
DEFAULT = CompactUNetPlusPlus.name


def build(name: str, *, masks: int = MASKS, seed: int = 0) -> LineNetwork:
    """A freshly initialised network that tells up to `masks` lines apart.

    Raises:
        KeyError: no network has that name; the message lists those that exist.
        ValueError: `masks` is less than one.
    """
    if name not in NETWORKS:
        raise KeyError(f"no network is called {name!r}; there are {', '.join(NETWORKS)}")
    network = NETWORKS[name](masks)
    network.initialise(seed)
    return network
