"""U-Net++ on residual encoders: the published network for dislocation lines, and a compact one.

U-Net++ (Zhou et al., DLMIA 2018; IEEE TMI 39 (2020) 1856) fills the space between the encoder and the decoder of a
U-Net with nodes: node (i, j), at level i (0 the finest) and column j, sees all nodes to the left of it at its own level
and the enlarged node (i + 1, j − 1) below it; column 0 is the encoder. The layout is that of the library that the
published code takes the network from (segmentation_models_pytorch):

- five levels, at strides 2 (the stem of the ResNet) to 32;
- nodes in the middle have as many channels as the encoder has at their level, the last node of every level has those of
  a plain U-Net's decoder;
- enlargement by nearest neighbours, and two 3×3 convolutions with batch norm and ReLU in every node;
- one more enlargement from stride 2 to the picture, without a skip, before the 3×3 convolution that gives the masks;
- no deep supervision.

Two things differ from the published network: the input is one grey channel instead of three equal ones, and nothing
starts from ImageNet's weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.defects.networks.config import ResNetConfig
from training.defects.networks.resnet import ResNet, convolution
from training.dislocations.networks.base import MASKS, LineNetwork


class Encoder(ResNet):
    """A ResNet that also gives the features of its stem: five tensors, at strides 2, 4, 8, 16 and 32."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__(config, inputs=1)
        self.channels = [config.stem_channels, *self.channels]

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [functional.relu(self.stem(x))]
        x = functional.max_pool2d(features[0], 3, 2, 1)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


class Node(nn.Module):
    """Enlarges what is below to twice its size, puts it beside what is to the left, and convolves twice."""

    def __init__(self, below: int, left: int, outputs: int) -> None:
        super().__init__()
        self.first = convolution(below + left, outputs, 3, norm="batch")
        self.second = convolution(outputs, outputs, 3, norm="batch")

    def forward(self, below: Tensor, left: Sequence[Tensor]) -> Tensor:
        enlarged = functional.interpolate(below, scale_factor=2.0, mode="nearest")
        x = torch.cat([enlarged, *left], dim=1)
        return functional.relu(self.second(functional.relu(self.first(x))))


class NestedDecoder(nn.Module):
    """The nodes between the encoder and the picture.

    Args:
        encoder: channels of the encoder's features, the finest first.
        decoder: channels of the last node of every level, the coarsest first, then those of the node at the picture's
            own resolution: as many numbers as `encoder` has.
    """

    def __init__(self, encoder: Sequence[int], decoder: Sequence[int]) -> None:
        super().__init__()
        self.levels = len(encoder)
        last = [*decoder[self.levels - 2 :: -1], encoder[-1]]
        self.nodes = nn.ModuleDict()
        channels = [[width] for width in encoder]
        for column in range(1, self.levels):
            for level in range(self.levels - column):
                outputs = last[level] if level + column == self.levels - 1 else encoder[level]
                below = channels[level + 1][column - 1]
                self.nodes[f"{level}_{column}"] = Node(below, sum(channels[level]), outputs)
                channels[level].append(outputs)
        self.picture = Node(last[0], 0, decoder[-1])

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        rows = [[feature] for feature in features]
        for column in range(1, self.levels):
            for level in range(self.levels - column):
                rows[level].append(self.nodes[f"{level}_{column}"](rows[level + 1][column - 1], rows[level]))
        return self.picture(rows[0][-1], [])


class UNetPlusPlus(LineNetwork):
    """U-Net++ with the encoder and the decoder that its subclass names."""

    stride = 32
    encoder_config: ClassVar[ResNetConfig]
    decoder_channels: ClassVar[tuple[int, int, int, int, int]]

    def __init__(self, masks: int = MASKS) -> None:
        super().__init__(masks)
        self.encoder = Encoder(self.encoder_config)
        self.decoder = NestedDecoder(self.encoder.channels, self.decoder_channels)
        self.head = nn.Conv2d(self.decoder_channels[-1], masks, 3, padding=1)

    def padded_logits(self, x: Tensor) -> Tensor:
        return self.head(self.decoder(self.encoder(x)))


class PublishedUNetPlusPlus(UNetPlusPlus):
    """The published one: ResNet-50, 49 million parameters. For GPUs."""

    name = "unetplusplus_resnet50"
    title = "U-Net++ with a ResNet-50 encoder"
    encoder_config = ResNetConfig(depth=50, stride_in_1x1=False, norm="batch")
    decoder_channels = (256, 128, 64, 32, 16)


class CompactUNetPlusPlus(UNetPlusPlus):
    """The one that ships: ResNet-18 at half width, 4 million parameters. Trains on two cores."""

    name = "unetplusplus_compact"
    title = "U-Net++ with a ResNet-18 encoder of half width"
    encoder_config = ResNetConfig(depth=18, stem_channels=32, res2_channels=32, stride_in_1x1=False, norm="batch")
    decoder_channels = (128, 64, 32, 32, 16)
