"""Which anchors and regions are examples of what, and which of them a step learns from.

Overlap rules and proportions are those of Ren et al. 2015 (Faster R-CNN), as in Detectron2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.defects.networks.boxes import iou
from training.defects.networks.config import ProposalConfig, RegionConfig
from training.defects.targets import Targets

UNKNOWN_FROM = 0.1
"""Share of a box that must be unlabelled for a class before a defect of that class may be what it shows.

Small, because a defect at the rim of a place that was not looked at is easily left out.
"""


@dataclass(frozen=True)
class AnchorExamples:
    """Anchors to learn objectness from: indices (P,) and (N,), and the boxes (P, 4) that the positive ones show."""

    positive: Tensor
    negative: Tensor
    boxes: Tensor


@dataclass(frozen=True)
class RegionExamples:
    """Regions of one picture to learn from, R of them, the first P positive.

    boxes: (R, 4). allowed: (R, K + 1) bool, what each may be, the last one background. target: (P,) int64, the number
    of the labelled defect that each positive one shows.
    """

    boxes: Tensor
    allowed: Tensor
    target: Tensor


def unlabelled_share(unlabelled: Tensor, boxes: Tensor) -> Tensor:
    """The share of each of boxes (R, 4) that is unlabelled (K, H, W) for each class: (R, K), 0 to 1.

    Boxes are cut to the picture and rounded outwards to whole pixels; a box outside has nothing to share: 0.
    """
    classes, height, width = unlabelled.shape
    if not bool(unlabelled.any()):
        return torch.zeros(len(boxes), classes, device=boxes.device)
    table = torch.zeros(classes, height + 1, width + 1, dtype=torch.int64, device=unlabelled.device)
    table[:, 1:, 1:] = unlabelled.to(torch.int64).cumsum(1).cumsum(2)
    x1, y1 = boxes[:, 0].floor().clamp(0, width).long(), boxes[:, 1].floor().clamp(0, height).long()
    x2, y2 = boxes[:, 2].ceil().clamp(0, width).long(), boxes[:, 3].ceil().clamp(0, height).long()
    count = table[:, y2, x2] - table[:, y1, x2] - table[:, y2, x1] + table[:, y1, x1]
    return (count / ((x2 - x1) * (y2 - y1)).clamp(min=1)).T


def anchor_examples(
    anchors: Tensor, targets: Targets, config: ProposalConfig, generator: torch.Generator
) -> AnchorExamples:
    """Anchors (A, 4) of one picture → examples for the proposals, which do not know classes.

    Positive: IoU with a labelled defect of `iou_foreground` or more, and the best anchors of each defect. Negative:
    below `iou_background` with all of them, and not where a defect of any class may be without a label.
    """
    overlap = iou(targets.boxes, anchors)
    if len(targets.boxes):
        best, number = overlap.max(dim=0)
        best_of_each = overlap.max(dim=1, keepdim=True)[0]
        positive = (best >= config.iou_foreground) | ((overlap == best_of_each) & (overlap > 0)).any(dim=0)
        negative = (best < config.iou_background) & ~positive
    else:
        number = torch.zeros(len(anchors), dtype=torch.int64, device=anchors.device)
        positive, negative = torch.zeros_like(number, dtype=torch.bool), torch.ones_like(number, dtype=torch.bool)
    negative &= (unlabelled_share(targets.unlabelled, anchors) < UNKNOWN_FROM).all(dim=1)
    chosen, others = draw(positive, negative, config.samples_per_image, config.positive_fraction, generator)
    return AnchorExamples(chosen, others, targets.boxes[number[chosen]])


def region_examples(
    proposals: Tensor, targets: Targets, config: RegionConfig, generator: torch.Generator
) -> RegionExamples:
    """Proposals (R, 4) of one picture and the labelled boxes themselves → examples for the heads.

    Positive: IoU with a labelled defect of `iou_foreground` or more; it may be what that defect may be. The others may
    be background, and every class that was not labelled where they are; those that may be anything teach nothing.
    """
    boxes = torch.cat([proposals, targets.boxes])
    classes = targets.possible.shape[1]
    overlap = iou(targets.boxes, boxes)
    if len(targets.boxes):
        best, number = overlap.max(dim=0)
    else:
        best = torch.zeros(len(boxes), device=boxes.device)
        number = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
    positive = best >= config.iou_foreground
    allowed = torch.ones(len(boxes), classes + 1, dtype=torch.bool, device=boxes.device)
    allowed[:, :-1] = unlabelled_share(targets.unlabelled, boxes) >= UNKNOWN_FROM
    allowed[positive, :-1] = targets.possible[number[positive]]
    allowed[positive, -1] = False
    negative = ~positive & ~allowed.all(dim=1)
    chosen, others = draw(positive, negative, config.samples_per_image, config.positive_fraction, generator)
    taken = torch.cat([chosen, others])
    return RegionExamples(boxes[taken], allowed[taken], number[chosen])


def draw(
    positive: Tensor, negative: Tensor, count: int, fraction: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """At most `count` indices of two masks (N,) at random: positives up to `fraction`, negatives for the rest.

    The generator is on the CPU, so that a seed gives the same examples on every device.
    """
    first, second = torch.nonzero(positive).squeeze(1), torch.nonzero(negative).squeeze(1)
    first = _some(first, int(count * fraction), generator)
    return first, _some(second, count - len(first), generator)


def _some(indices: Tensor, count: int, generator: torch.Generator) -> Tensor:
    order = torch.randperm(len(indices), generator=generator)[:count]
    return indices[order.to(indices.device)]
