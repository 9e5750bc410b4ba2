"""A trained network in the form that the analysis runs, and the description of its input that goes into a manifest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from analysis.atoms.preprocess import InputSpec
from emserve.results import ModelInfo
from training.atoms.checkpoints import trained_network
from training.atoms.networks import AtomNetwork
from training.checkpoints import FILE_NAME

BEST_PIXEL_SIZE_NM = 0.016
PIXEL_SIZE_RANGE_NM = (0.010, 0.026)
TILE_PX = 1024
"""Most pictures are one tile then, and in larger ones the halos cost 1.3 × the pixels instead of 1.8 × at 512."""


def input_spec(network: AtomNetwork) -> InputSpec:
    """The `input` block of the network's manifest."""
    return InputSpec(
        best_pixel_size_nm=BEST_PIXEL_SIZE_NM,
        pixel_size_range_nm=PIXEL_SIZE_RANGE_NM,
        multiple_of=network.multiple_of,
        halo_px=network.halo_px,
        tile_px=TILE_PX,
    )


class TrainedNetwork:
    """A PyTorch network that `analysis.atoms.pipeline.analyse` can run: (N, 1, H, W) float32 in and out."""

    def __init__(self, network: AtomNetwork, *, sha256: str = 64 * "0", version: str = "0.0.0") -> None:
        self.network = network.eval()
        self.info = ModelInfo(
            name=network.name, family="atoms", version=version, sha256=sha256, runtime="torch", precision="fp32"
        )

    @classmethod
    def from_run(cls, folder: Path) -> TrainedNetwork:
        """The averaged weights of a training run."""
        digest = hashlib.sha256((folder / FILE_NAME).read_bytes()).hexdigest()
        return cls(trained_network(folder), sha256=digest)

    @torch.inference_mode()
    def run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The probability maps of a batch."""
        tensor = torch.from_numpy(np.ascontiguousarray(batch)).contiguous(memory_format=torch.channels_last)
        return self.network(tensor).numpy()
