"""How far the masks of a network are from the true lines, each line against the mask that stands for it.

The loss is that of the published network, the Dice loss with matching (see `training.dislocations.matching`), computed
for all pairs at once: the overlaps of all lines with all masks are one matrix product. Only which pairs count is
decided outside of the gradient.

The published loss says nothing about masks that no line takes: they may show anything, most often a second copy of a
line. `empty_weight` pushes them to empty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from training.dislocations.matching import UNPAIRED, Matching, optimal

SMOOTHING_PX = 1.0
"""Added to both sides of the fraction in the Dice loss, so that it has a value for empty masks."""
LINE_WIDTH_PX = 4.0


@dataclass(frozen=True)
class LineLosses:
    """The two parts of the loss, each a number with a gradient, and how many lines found no mask."""

    dice: Tensor
    empty: Tensor
    left_over: int

    def total(self) -> Tensor:
        """Their sum."""
        return self.dice + self.empty


def line_losses(
    logits: Tensor, truths: Tensor, *, matching: Matching = optimal, empty_weight: float = 0.0
) -> LineLosses:
    """The losses of a batch; in float32 whatever the precision of `logits`.

    `dice`: 1 − 2 |A ∩ B| / (|A| + |B|) of every line with its mask, averaged over the lines of a picture and then over
    the pictures that have lines; 0 where none has. `empty`: `empty_weight` times the Dice loss of the masks that no
    line took against nothing, averaged over those masks; it is smoothed by the area of a usual line across the picture,
    because the Dice loss against nothing is else as large for a faint speck as for a line.

    Lines for which there is no mask do not count.

    Source: the Dice loss is that of F. Milletari et al., V-Net, 3DV 2016, with plain sums in the denominator.

    Args:
        logits: (B, N, H, W), before the sigmoid. truths: (B, M, H, W), of any type, 0 or 1; a row without any 1 stands
            for no line, so that pictures with different numbers of lines make a batch. M may be 0.
    """
    height, width = logits.shape[-2:]
    # Sums over a picture lose everything in bf16, which autocast would compute the products in.
    with torch.autocast(logits.device.type, enabled=False):
        masks = torch.sigmoid(logits.float()).flatten(2)
        overlaps, of_masks, of_lines = areas(masks, truths.flatten(2))
        costs = 1 - (2 * overlaps + SMOOTHING_PX) / (of_lines[:, :, None] + of_masks[:, None, :] + SMOOTHING_PX)
        present = of_lines > 0
        found = matching(costs.detach(), present)
        paired = found != UNPAIRED
        taken = costs.gather(2, found.clamp(min=0)[..., None])[..., 0]
        count = paired.sum(dim=1)
        per_picture = torch.where(paired, taken, 0.0).sum(dim=1) / count.clamp(min=1)
        dice = per_picture.sum() / (count > 0).sum().clamp(min=1)
        free = torch.ones_like(of_masks).scatter_add_(1, found.clamp(min=0), -paired.to(of_masks.dtype))
        against_nothing = of_masks / (of_masks + LINE_WIDTH_PX * math.sqrt(height * width))
        empty = (against_nothing * free).sum() / free.sum().clamp(min=1)
        return LineLosses(dice, empty_weight * empty, left_over=int((present & ~paired).sum()))


def areas(masks: Tensor, lines: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Areas in px of what each line and mask share, of the masks and of the lines: (B, M, N), (B, N) and (B, M).

    The masks' own areas come out of the same product, as their overlaps with a line that is everywhere: with their
    gradient, that spares three passes over all pixels of all masks.

    Args:
        masks: (B, N, P) in 0..1. lines: (B, M, P) of any type, 0 or 1.
    """
    batch, count, pixels = lines.shape
    rows = masks.new_ones(batch, count + 1, pixels)
    rows[:, :-1] = lines
    overlaps = torch.matmul(rows, masks.transpose(1, 2))
    return overlaps[:, :-1], overlaps[:, -1], rows[:, :-1].sum(dim=2)
