"""Residual networks (He et al. 2016), with groups (Xie et al. 2017), as the bottom of a feature pyramid.

Everything here can be compiled by `torch.jit.script`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Self

from torch import Tensor, nn
from torch.nn import functional

from training.defects.networks.config import ResNetConfig

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks in each of the four stages, by depth (He et al. 2016, table 1)."""


class FrozenBatchNorm(nn.BatchNorm2d):
    """Batch norm whose scale, shift and statistics are constants: a straight line per channel, in training too.

    For networks that start from published weights, where batches are too small for statistics of their own.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        return super().train(False)


def convolution(
    inputs: int, outputs: int, kernel: int, *, norm: str, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution `conv` without bias, then its norm `norm`, `frozen` or `batch`; stride 1 keeps H and W."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            norm=FrozenBatchNorm(outputs) if norm == "frozen" else nn.BatchNorm2d(outputs),
        )
    )


class BasicBlock(nn.Module):
    """Two 3×3 convolutions around a shortcut: the block of ResNet-18 and ResNet-34."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, norm: str) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, outputs, 3, stride=stride, norm=norm)
        self.conv2 = convolution(outputs, outputs, 3, norm=norm)
        self.shortcut = shortcut(inputs, outputs, stride=stride, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(functional.relu(self.conv1(x)))
        return functional.relu(y + self.shortcut(x))


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions around a shortcut: the block of ResNet-50 and deeper."""

    def __init__(
        self, inputs: int, middle: int, outputs: int, *, stride: int, groups: int, stride_in_1x1: bool, norm: str
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_in_1x1 else (1, stride)
        self.conv1 = convolution(inputs, middle, 1, stride=first, norm=norm)
        self.conv2 = convolution(middle, middle, 3, stride=second, groups=groups, norm=norm)
        self.conv3 = convolution(middle, outputs, 1, norm=norm)
        self.shortcut = shortcut(inputs, outputs, stride=stride, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv3(functional.relu(self.conv2(functional.relu(self.conv1(x)))))
        return functional.relu(y + self.shortcut(x))


def shortcut(inputs: int, outputs: int, *, stride: int, norm: str) -> nn.Module:
    """The identity, or a 1×1 convolution where the number of channels changes."""
    return nn.Identity() if inputs == outputs else convolution(inputs, outputs, 1, stride=stride, norm=norm)


class ResNet(nn.Module):
    """Picture → features of the four stages, at strides 4, 8, 16 and 32.

    Input (N, inputs, H, W) with H and W multiples of 32; output four tensors (N, channels[i], H / stride, W / stride).
    """

    def __init__(self, config: ResNetConfig, inputs: int) -> None:
        super().__init__()
        self.stem = convolution(inputs, config.stem_channels, 7, stride=2, norm=config.norm)
        self.stages = nn.ModuleList()
        channels, middle = config.stem_channels, config.groups * config.width_per_group
        self.channels = [config.res2_channels * 2**stage for stage in range(4)]
        for stage, (outputs, count) in enumerate(zip(self.channels, BLOCKS[config.depth], strict=True)):
            blocks: list[nn.Module] = []
            for number in range(count):
                stride = 2 if stage > 0 and number == 0 else 1
                if config.depth in (18, 34):
                    blocks.append(BasicBlock(channels, outputs, stride=stride, norm=config.norm))
                else:
                    blocks.append(
                        Bottleneck(
                            channels,
                            middle,
                            outputs,
                            stride=stride,
                            groups=config.groups,
                            stride_in_1x1=config.stride_in_1x1,
                            norm=config.norm,
                        )
                    )
                channels = outputs
            self.stages.append(nn.Sequential(*blocks))
            middle *= 2

    def forward(self, x: Tensor) -> list[Tensor]:
        x = functional.max_pool2d(functional.relu(self.stem(x)), 3, 2, 1)
        features: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def freeze(self, stages: int) -> None:
        """Stops training of the stem (`stages` ≥ 1) and of the first `stages` − 1 stages, as Detectron2's FREEZE_AT."""
        for module in [self.stem, *self.stages][:stages]:
            for name, child in list(module.named_modules()):
                if isinstance(child, nn.BatchNorm2d):
                    frozen = FrozenBatchNorm(child.num_features)
                    frozen.load_state_dict(child.state_dict())
                    module.set_submodule(name, frozen)
            module.requires_grad_(False)
