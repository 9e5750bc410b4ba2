"""Exponential moving average of a network's weights: what is validated, exported and served."""

from __future__ import annotations

import torch

from training.atoms.networks import AtomNetwork, build


class MovingAverage:
    """Average of weights and batch-norm figures over about the last thousand steps, fewer at the start."""

    def __init__(self, network: AtomNetwork, *, decay: float = 0.999) -> None:
        self.decay = decay
        self.network = build(network.name).to(next(network.parameters()).device)
        self.network.load_state_dict(network.state_dict())
        self.network.eval()

    @torch.no_grad()
    def update(self, network: AtomNetwork, step: int) -> None:
        """Takes in the weights after step number `step` (from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averaged, current = self.network.state_dict(), network.state_dict()
        for name, tensor in averaged.items():
            if tensor.is_floating_point():
                tensor.lerp_(current[name], 1 - decay)
            else:
                tensor.copy_(current[name])
