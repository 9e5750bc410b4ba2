"""A network for dislocation lines of few channels, so that it is quick, and a run that made it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from training.checkpoints import Checkpoint
from training.defects.networks.config import ResNetConfig
from training.dislocations.checkpoints import write_best
from training.dislocations.networks import LineNetwork, build
from training.dislocations.networks.unetplusplus import UNetPlusPlus
from training.dislocations.settings import Settings

MASKS = 4
ROW = {
    "pictures": 40, "lines": 300, "length_score": 0.87664, "recall": 0.9, "precision": 0.8, "distance_px": 0.75,
    "by_number_of_lines": {
        "2": {"lines": 100, "length_score": 0.9}, "5": {"lines": 50, "length_score": 0.6},
        "12": {"lines": 150, "length_score": 0.7},
    },
}  # fmt: skip
SETS = {"M1, perlin": ROW, "M2, perlin": ROW | {"length_score": 0.7, "distance_px": None}}


class Narrow(UNetPlusPlus):
    """U-Net++ of few channels."""

    name = "narrow"
    title = "U-Net++, narrow"
    encoder_config = ResNetConfig(depth=18, stem_channels=8, res2_channels=8, stride_in_1x1=False, norm="batch")
    decoder_channels = (16, 8, 8, 8, 8)


def lively(seed: int = 1) -> LineNetwork:
    """A network whose norms and masks are not those of a fresh one, which are flat."""
    network = build(Narrow.name, masks=MASKS, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(0.5 + torch.rand(module.weight.shape, generator=generator))
                module.bias.copy_(0.2 * torch.randn(module.bias.shape, generator=generator))
                module.running_mean.copy_(0.2 * torch.randn(module.bias.shape, generator=generator))
                module.running_var.copy_(0.5 + torch.rand(module.weight.shape, generator=generator))
        network.head.weight.normal_(std=0.5, generator=generator)
    return network.eval()


def write_run(folder: Path, **settings: object) -> Path:
    """The folder of a finished run."""
    folder.mkdir(parents=True)
    chosen = Settings.model_validate({"network": Narrow.name, "masks": MASKS, "steps": 7, "size_px": 128, **settings})
    chosen.write(folder)
    network = lively()
    write_best(network, folder)
    log = [{"step": 7.0, "loss": 0.25}]
    Checkpoint({}, {}, {}, step=7, minutes=1.234, log=log, finished=True, device="CPU, 2 threads").write(folder)
    return folder
