"""What every network for dislocation lines shares: training, evaluation and export know none of them by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

MASKS = 20
"""Masks of a network where nothing else is said: the published number of lines that it can tell apart."""
FIRST_BIAS = -3.0
"""Lines cover a few per cent of a picture: masks that start at 5 % spare the first steps finding it out."""


class LineNetwork(nn.Module, ABC):
    """Micrograph → one mask per dislocation line.

    Input (B, 1, H, W) float32, pixels scaled to about 0 to 1; output (B, masks, H, W) in 0..1. H and W may be anything:
    what lacks to the next multiple of `stride` is filled with the edge's pixels inside and cut off again. Which line is
    in which mask means nothing, and masks that are not needed are empty (see `training.dislocations.matching`).

    Args of every subclass: `masks`, how many lines the network can tell apart.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """Architecture in a few words, for the manifest."""
    stride: ClassVar[int]
    """Pixels of the picture per pixel of the coarsest features."""

    masks: int
    head: nn.Conv2d
    """The last convolution, whose outputs are the masks before the sigmoid."""

    def __init__(self, masks: int = MASKS) -> None:
        super().__init__()
        if masks < 1:
            raise ValueError(f"a network needs at least one mask; got {masks}")
        self.masks = masks

    @abstractmethod
    def padded_logits(self, x: Tensor) -> Tensor:
        """The masks before the sigmoid, (B, masks, H, W), of pictures whose H and W are multiples of `stride`."""

    def logits(self, x: Tensor) -> Tensor:
        """The masks before the sigmoid, (B, masks, H, W): what the losses take."""
        height, width = x.shape[-2:]
        padded = functional.pad(x, (0, -width % self.stride, 0, -height % self.stride), mode="replicate")
        return self.padded_logits(padded)[..., :height, :width]

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(x))

    def initialise(self, seed: int) -> None:
        """Kaiming (He) initialisation of every convolution from `seed`; norms start as identities, masks nearly empty.

        Source: K. He et al., "Delving deep into rectifiers", ICCV 2015.
        """
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, FIRST_BIAS)

    def parameter_count(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)
