"""Exponential moving average of a network's weights: what is validated, exported and served."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class MovingAverage(Generic[Network]):
    """Average of weights and batch-norm figures over about the last thousand steps, fewer at the start."""

    def __init__(self, network: Network, *, decay: float = 0.999) -> None:
        self.decay = decay
        self.network = copy.deepcopy(network).eval()

    @torch.no_grad()
    def update(self, network: Network, step: int) -> None:
        """Takes in the weights after step number `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averaged, current = self.network.state_dict(), network.state_dict()
        for name, tensor in averaged.items():
            if tensor.is_floating_point():
                tensor.lerp_(current[name], 1 - decay)
            else:
                tensor.copy_(current[name])
