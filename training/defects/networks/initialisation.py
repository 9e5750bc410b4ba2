"""Weights to start from: random ones, or those of a network that knows other classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from training.defects.networks.mask_rcnn import MaskRCNN


def initialise(network: MaskRCNN, seed: int) -> None:
    """Draws all weights, as Detectron2 does: He et al. 2015 for convolutions, Glorot & Bengio 2010 in the pyramid.

    The last layers start small, so that a new network finds nothing rather than anything.
    """
    generator = torch.Generator().manual_seed(seed)
    pyramid = set(network.backbone.levels.modules())
    for module in network.modules():
        if isinstance(module, nn.Linear) or (module in pyramid and isinstance(module, nn.Conv2d)):
            nn.init.kaiming_uniform_(module.weight, a=1, generator=generator)
        elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    for layer in (*network.proposal_head.convolutions, network.proposal_head.logits, network.proposal_head.corrections):
        assert isinstance(layer, nn.Conv2d)
        nn.init.normal_(layer.weight, std=0.01, generator=generator)
    nn.init.normal_(network.box_head.logits.weight, std=0.01, generator=generator)
    nn.init.normal_(network.box_head.corrections.weight, std=0.001, generator=generator)
    nn.init.normal_(network.mask_head.logits.weight, std=0.001, generator=generator)


def with_classes(network: MaskRCNN, classes: Sequence[str], seed: int) -> MaskRCNN:
    """A network for other classes with all that this one has learned: what it knows of a class goes by its name.

    Outputs of new classes start as in `initialise`. The norms and everything else are copied.
    """
    config = network.config.model_copy(update={"classes": tuple(classes)})
    other = MaskRCNN(config)
    initialise(other, seed)
    before, after = network.state_dict(), other.state_dict()
    for name, tensor in before.items():
        if after[name].shape == tensor.shape and not _of_classes(name, network):
            after[name] = tensor
    for row, label in enumerate(classes):
        if label in network.config.classes:
            _copy_class(before, after, network, network.config.classes.index(label), row)
    # Background is the last row of the logits.
    for name in ("box_head.logits.weight", "box_head.logits.bias"):
        after[name][-1] = before[name][-1]
    other.load_state_dict(after)
    return other.train(network.training)


def _of_classes(name: str, network: MaskRCNN) -> bool:
    """Whether the rows of a tensor stand for classes."""
    return (
        name.startswith("box_head.logits.")
        or (name.startswith("box_head.corrections.") and not network.config.box_head.class_agnostic)
        or (name.startswith("mask_head.logits.") and not network.config.mask_head.class_agnostic)
    )


def _copy_class(
    before: dict[str, torch.Tensor], after: dict[str, torch.Tensor], network: MaskRCNN, source: int, target: int
) -> None:
    for name in after:
        if _of_classes(name, network):
            rows = 4 if name.startswith("box_head.corrections.") else 1
            after[name][target * rows : (target + 1) * rows] = before[name][source * rows : (source + 1) * rows]
