"""Feature pyramid (Lin et al. 2017): each level sees its own stage's detail and what deeper ones know."""

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
        # In the order of the work: the deepest level, p5, first.
        self.levels = nn.ModuleList(_Level(inputs, config) for inputs in reversed(bottom.channels))

    def forward(self, x: Tensor) -> list[Tensor]:
        stages = self.bottom(x)
        merged: Tensor | None = None
        features: list[Tensor] = []
        for number, level in enumerate(self.levels):
            merged, output = level(stages[3 - number], merged)
            features.insert(0, output)
        features.append(functional.max_pool2d(features[3], 1, 2))
        return features


class _Level(nn.Module):
    """A stage's features and the merged ones of the level above → its own merged ones, and its output."""

    def __init__(self, inputs: int, config: PyramidConfig) -> None:
        super().__init__()
        self.lateral = nn.Conv2d(inputs, config.channels, 1)
        self.output = nn.Conv2d(config.channels, config.channels, 3, padding=1)
        self.average = config.fuse == "average"

    def forward(self, stage: Tensor, above: Tensor | None) -> tuple[Tensor, Tensor]:
        merged = self.lateral(stage)
        if above is not None:
            merged = merged + functional.interpolate(above, scale_factor=2.0, mode="nearest")
            if self.average:
                merged = 0.5 * merged
        return merged, self.output(merged)
