"""What every network for atom columns shares, so that training, evaluation and export know none of them by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn


class AtomNetwork(nn.Module, ABC):
    """Micrograph → probability map of atom columns.

    Input (N, 1, H, W) float32, pixels scaled to about 0 to 1, H and W multiples of `multiple_of`; output (N, 1, H, W)
    in 0..1. A subclass gives `logits`, the map before the sigmoid.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """Architecture in a few words, for the manifest."""
    multiple_of: ClassVar[int]
    halo_px: ClassVar[int]
    """Radius of the receptive field, rounded up to a multiple of `multiple_of`: the overlap that exact tiling needs."""

    @abstractmethod
    def logits(self, x: Tensor) -> Tensor:
        """The map before the sigmoid, (N, 1, H, W): what the losses take."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(x))

    def initialise(self, seed: int) -> None:
        """Kaiming (He) initialisation of every convolution from `seed`; norms start as identities.

        Source: K. He et al., "Delving deep into rectifiers", ICCV 2015.
        """
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()

    def parameter_count(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
