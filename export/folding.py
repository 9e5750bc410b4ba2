"""Batch norms folded into the convolutions before them: the same function with fewer operations."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

M = TypeVar("M", bound=nn.Module)


def folded(network: M) -> M:
    """A copy of a network in `eval` in which every convolution of a `Sequential` has taken in the batch norm after it.

    In exact arithmetic it answers the same; in float32 maps differ by about 1e-6.
    """
    network = copy.deepcopy(network).eval()
    for sequence in [module for module in network.modules() if isinstance(module, nn.Sequential)]:
        for name, following in zip(list(sequence._modules)[:-1], list(sequence._modules)[1:], strict=True):
            convolution, norm = sequence._modules[name], sequence._modules[following]
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                sequence._modules[name] = fuse_conv_bn_eval(convolution, norm)
                sequence._modules[following] = nn.Identity()
    return network
