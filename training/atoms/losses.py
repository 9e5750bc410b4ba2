"""How far a map is from the true one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PEAK_WEIGHT = 4.0
"""Extra weight of a peak's pixels in the cross entropy: columns cover only some per cent of a picture."""


def map_loss(logits: Tensor, target: Tensor, judged: Tensor) -> Tensor:
    """Weighted cross entropy plus soft Dice, averaged over the batch.

    The cross entropy against the Gaussian peaks is smallest where the map equals them, so that a peak's place is
    learned to a fraction of a pixel. Dice (Milletari et al., V-Net, 3DV 2016) is blind to how much of a picture is
    background.

    Args:
        logits: (N, 1, H, W), before the sigmoid. target: (N, 1, H, W) in 0..1. judged: (N, 1, H, W), 1 where the map
            counts and 0 where nobody knows what it should be.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, target, weight=judged * (1 + PEAK_WEIGHT * target))
    probability, target = torch.sigmoid(logits) * judged, target * judged
    overlap = (probability * target).sum(dim=(1, 2, 3))
    total = (probability.square() + target.square()).sum(dim=(1, 2, 3))
    dice = 1 - (2 * overlap + 1) / (total + 1)
    return entropy + 0.25 * dice.mean()
