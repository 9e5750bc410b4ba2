"""The loss of the networks for dislocation lines beside its peer, a loop over pairs as it is published."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from training.dislocations.losses import SMOOTHING_PX, line_losses
from training.dislocations.matching import greedy

MASKS = 20
BLOB_PX = 8


def looped(logits: Tensor, truths: Tensor) -> Tensor:
    """For each true mask in turn the Dice loss with every free predicted one; the lowest is taken; the mean of all.

    Args:
        logits: (B, N, H, W), before the sigmoid. truths: (B, M, H, W), 0 or 1, none of them empty, M <= N.
    """
    of_pictures = []
    for masks, lines in zip(torch.sigmoid(logits), truths.float(), strict=True):
        free = list(masks)
        taken = []
        for line in lines:
            losses = [_dice_loss(mask, line) for mask in free]
            best = min(range(len(free)), key=lambda number: losses[number].item())
            taken.append(losses[best])
            free.pop(best)
        of_pictures.append(torch.stack(taken).mean())
    return torch.stack(of_pictures).mean()


def _dice_loss(mask: Tensor, line: Tensor) -> Tensor:
    shared = (mask * line).sum()
    return 1 - (2 * shared + SMOOTHING_PX) / (mask.sum() + line.sum() + SMOOTHING_PX)


def compare(size: int, batch: int, rounds: int) -> list[dict[str, Any]]:
    """Seconds of both for a batch of pictures with as many lines as masks, without and with the gradient."""
    generator = torch.Generator().manual_seed(0)
    logits = _blobs((batch, MASKS), size, generator).requires_grad_()
    truths = _blobs((batch, MASKS), size, generator) > 1.5

    def vectorised() -> Tensor:
        return line_losses(logits, truths, matching=greedy).total()

    def loop() -> Tensor:
        return looped(logits, truths)

    with torch.no_grad():
        if not torch.isclose(vectorised(), loop(), rtol=1e-4):
            raise AssertionError("the two losses differ: they are not the same loss")
        forward = [_seconds(way, rounds) for way in (vectorised, loop)]
    both = [_seconds(partial(_gradient, way, logits), rounds) for way in (vectorised, loop)]
    return [
        {"part": part, "vectorised_s": ours, "looped_s": theirs, "times_faster": theirs / ours}
        for part, (ours, theirs) in (("forward", forward), ("forward and backward", both))
    ]


def _gradient(loss: Callable[[], Tensor], of: Tensor) -> Tensor:
    return torch.autograd.grad(loss(), of)[0]


def _blobs(shape: tuple[int, int], size: int, generator: torch.Generator) -> Tensor:
    coarse = torch.randn((*shape, size // BLOB_PX, size // BLOB_PX), generator=generator)
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")


def _seconds(work: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds + 1):  # the first one allocates
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times[1:])
