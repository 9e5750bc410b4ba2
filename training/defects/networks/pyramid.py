"""Feature pyramid (Lin et al. 2017): every level sees both the detail of its own stage and what the deeper ones know."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from training.defects.networks.config import PyramidConfig
from training.defects.networks.resnet import ResNet


class FeaturePyramid(nn.Module):
    """Picture → features p2 to p6, at strides 4 to 64.

    Input (N, inputs, H, W) with H and W multiples of 32; output five tensors (N, channels, ⌈H / stride⌉, ⌈W / stride⌉).
    """

    def __init__(self, config: PyramidConfig, bottom: ResNet) -> None:
        super().__init__()
        self.bottom = bottom
        self.average = config.fuse == "average"
        # In the order of the work: the deepest level, p5, first.
        self.levels = nn.ModuleList(_Level(inputs, config.channels) for inputs in reversed(bottom.channels))

    def forward(self, x: Tensor) -> list[Tensor]:
        stages = self.bottom(x)
        above = stages[3]
        features: list[Tensor] = []
        for number, level in enumerate(self.levels):
            merged = level.lateral(stages[3 - number])
            if number > 0:
                merged = merged + functional.interpolate(above, scale_factor=2.0, mode="nearest")
                if self.average:
                    merged = 0.5 * merged
            features.insert(0, level.output(merged))
            above = merged
        features.append(functional.max_pool2d(features[3], 1, 2))
        return features


class _Level(nn.Module):
    """The two convolutions of a level: into the common number of channels, and over the merged features."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.lateral = nn.Conv2d(inputs, channels, 1)
        self.output = nn.Conv2d(channels, channels, 3, padding=1)
