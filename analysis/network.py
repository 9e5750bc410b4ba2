"""What the analysis needs of a network: something that turns a batch of pictures into a batch of maps."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from emserve.results import ModelInfo


class Network(Protocol):
    """A fully convolutional network, however and wherever it runs."""

    @property
    def info(self) -> ModelInfo:
        """Which network it is and how it is run."""
        ...

    def run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, 1, height, width) → (n, maps, height, width), float32 probabilities 0..1.

        Atoms have one map, of the columns; dislocations have one for each line.
        """
        ...
