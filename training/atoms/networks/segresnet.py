"""SegResNet for atom columns: a residual encoder-decoder, made for speed on CPUs and for exact tiling.

The idea (residual blocks, strided convolutions down, additive skips, a small decoder) is that of A. Myronenko, "3D MRI
brain tumor segmentation using autoencoder regularization", BrainLes 2018. Three things differ, and why:

- Batch norm instead of group norm. Group norm averages over the picture, so that a tile would be answered differently
  from the same place in the whole picture; batch norm is a constant in `eval` and folds into the convolutions.
- The trunk runs at half resolution (stem of stride 2, pixel shuffle at the end). Sixteen channels at full resolution
  cost as much as everything else together, while the closest columns (dumbbells of 136 pm at 16 pm/px) are still more
  than four half-resolution pixels apart, and positions are refined on the original pixels anyway.
- ReLU, which every runtime fuses into the convolution before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.atoms.networks.base import AtomNetwork


def convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, padding: int = 1) -> nn.Sequential:
    """Convolution without bias, then batch norm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(outputs),
    )


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with batch norm around an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels)
        self.second = convolution(channels, channels)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + self.second(self.activation(self.first(x))))


def residual_blocks(channels: int, count: int) -> nn.Sequential:
    """`count` residual blocks in a row."""
    return nn.Sequential(*(ResidualBlock(channels) for _ in range(count)))


class SegResNet(AtomNetwork):
    """The default network.

    Args:
        widths: channels at 1/2, 1/4 and 1/8 of the resolution.
        blocks: residual blocks at those three levels on the way down; the way up has one block a level.
    """

    name = "segresnet"
    title = "SegResNet (residual encoder-decoder, batch norm, half-resolution trunk)"
    multiple_of = 8
    halo_px = 72

    def __init__(self, widths: Sequence[int] = (32, 64, 128), blocks: Sequence[int] = (1, 1, 2)) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.stem = convolution(1, half, kernel=6, stride=2, padding=2)
        self.encoder_half = residual_blocks(half, blocks[0])
        self.down_quarter = convolution(half, quarter, stride=2)
        self.encoder_quarter = residual_blocks(quarter, blocks[1])
        self.down_eighth = convolution(quarter, eighth, stride=2)
        self.encoder_eighth = residual_blocks(eighth, blocks[2])
        # Narrowing before enlarging: a quarter of the work of the other order, and the same map.
        self.narrow_quarter = convolution(eighth, quarter, kernel=1, padding=0)
        self.decoder_quarter = residual_blocks(quarter, 1)
        self.narrow_half = convolution(quarter, half, kernel=1, padding=0)
        self.decoder_half = residual_blocks(half, 1)
        self.enlarge = nn.Upsample(scale_factor=2.0, mode="nearest")
        self.head = nn.Conv2d(half, 4, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def logits(self, x: Tensor) -> Tensor:
        half = self.encoder_half(torch.relu(self.stem(x)))
        quarter = self.encoder_quarter(torch.relu(self.down_quarter(half)))
        eighth = self.encoder_eighth(torch.relu(self.down_eighth(quarter)))
        quarter = self.decoder_quarter(quarter + self.enlarge(self.narrow_quarter(eighth)))
        half = self.decoder_half(half + self.enlarge(self.narrow_half(quarter)))
        return self.shuffle(self.head(half))

    def initialise(self, seed: int) -> None:
        super().initialise(seed)
        # Columns cover a few per cent of the picture: starting there spares the first steps finding it out.
        assert self.head.bias is not None
        nn.init.constant_(self.head.bias, -3.0)
