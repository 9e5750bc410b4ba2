"""Folding norms into the convolutions before them: the same numbers, a third of the operators."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from training.defects.networks.resnet import FrozenBatchNorm

Network = TypeVar("Network", bound=nn.Module)


def folded(network: Network) -> Network:
    """A copy for inference, in `eval` and without gradients, whose norms are folded into its convolutions."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    for module in network.modules():
        if not isinstance(module, nn.Sequential) or len(module) != 2:
            continue
        conv, norm = module[0], module[1]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, FrozenBatchNorm | nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            # In double precision, so that each folded number is rounded once.
            weight, bias = fuse_conv_bn_weights(
                conv.weight.double(),
                None if conv.bias is None else conv.bias.double(),
                norm.running_mean.double(),
                norm.running_var.double(),
                norm.eps,
                norm.weight.double(),
                norm.bias.double(),
            )
            conv.weight = nn.Parameter(weight.to(conv.weight.dtype), requires_grad=False)
            conv.bias = nn.Parameter(bias.to(conv.weight.dtype), requires_grad=False)
            module[1] = nn.Identity()
    return network
