"""The published *cubic* network of AtomSegNet's successor benchmark: the peer that ours is measured against.

A U-Net of residual blocks without norms. The published checkpoint also holds tensors that the network never uses (batch
norms, transposed convolutions); they are accounted for by name, so that loading stays strict.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.atoms.networks.base import AtomNetwork

SLOPE = 0.01
UNUSED = re.compile(
    r"(c2|bn|c3)\.res_module\.[01]\.bn[12]\.(weight|bias|running_mean|running_var|num_batches_tracked)"
    r"|upsample_block[12]\.conv_t\.(weight|bias)"
)


class Convolution(nn.Module):
    """3×3 convolution and LeakyReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.LeakyReLU(SLOPE))

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class Residual(nn.Module):
    """1×1 convolution as the residual, two 3×3 convolutions beside it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.c0 = nn.Conv2d(inputs, outputs, 1)
        self.c1 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.c2 = nn.Conv2d(outputs, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.c0(x)
        x = F.leaky_relu(self.c1(residual), SLOPE)
        return F.leaky_relu(self.c2(x) + residual, SLOPE)


class Residuals(nn.Module):
    """Two residual blocks in a row."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.res_module = nn.Sequential(Residual(inputs, outputs), Residual(outputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.res_module(x)


class Enlargement(nn.Module):
    """Bilinear ×2, then a 1×1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False))


class Cubic(AtomNetwork):
    """The published network; the names of its parts are those of the checkpoint."""

    name = "cubic"
    title = "published cubic network (residual U-Net without norms)"
    multiple_of = 4
    halo_px = 40

    def __init__(self) -> None:
        super().__init__()
        self.c1 = Convolution(1, 32)
        self.c2 = Residuals(32, 64)
        self.bn = Residuals(64, 128)
        self.upsample_block1 = Enlargement(128, 64)
        self.c3 = Residuals(128, 64)
        self.upsample_block2 = Enlargement(64, 32)
        self.c4 = Convolution(64, 32)
        self.px = nn.Conv2d(32, 1, 1)

    def logits(self, x: Tensor) -> Tensor:
        c1 = self.c1(x)
        c2 = self.c2(F.max_pool2d(c1, 2))
        bottom = self.bn(F.max_pool2d(c2, 2))
        x = self.c3(torch.cat((c2, self.upsample_block1(bottom)), dim=1))
        x = self.c4(torch.cat((c1, self.upsample_block2(x)), dim=1))
        return self.px(x)


def load_published(path: str | Path) -> Cubic:
    """The cubic network with its published weights, in `eval`.

    Every tensor of the file is either the network's or one of the known unused ones.

    Raises:
        RuntimeError: the file lacks a tensor of the network, or holds one that is neither.
    """
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    network = Cubic()
    network.load_state_dict({name: tensor for name, tensor in tensors.items() if not UNUSED.fullmatch(name)})
    return network.eval()
