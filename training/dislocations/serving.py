"""A network of a run in the form that the analysis runs, and the description of its input that goes into a manifest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from analysis.dislocations.preprocess import InputSpec
from emserve.results import ModelInfo
from training.dislocations.networks import LineNetwork
from training.dislocations.settings import Settings


class TorchNetwork:
    """A network for `analysis.dislocations`: (n, 1, H, W) float32 in, (n, masks, H, W) probabilities out."""

    def __init__(self, network: LineNetwork, name: str | None = None, *, bf16: bool = False) -> None:
        self.network, self.bf16 = network.eval(), bf16
        self.device = next(network.parameters()).device
        self.info = ModelInfo(
            name=name or network.name,
            family="dislocations",
            version="0",
            sha256="",
            runtime="torch",
            precision="bf16" if bf16 else "fp32",
        )

    @torch.inference_mode()
    def run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The masks of a batch of pictures."""
        pictures = torch.from_numpy(np.ascontiguousarray(batch)).to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            masks = self.network(pictures)
        return masks.float().cpu().numpy()


SHORTEST_PX = 40.0
"""Synthetic lines are hardly ever shorter; what networks find in noise mostly is."""


def input_spec(network: LineNetwork, settings: Settings) -> InputSpec:
    """The `input` block of the network's manifest: lines of a px width as in training, in tiles of that size."""
    size = settings.size_px
    return InputSpec(
        most_lines=network.masks,
        shortest_px=SHORTEST_PX,
        multiple_of=network.stride,
        tile_px=size,
        smallest_tile_px=min(192, size),
        overlap_px=size // 4,
    )
