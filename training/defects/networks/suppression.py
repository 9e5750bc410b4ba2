"""Non-maximum suppression and the choice of the best scores, in plain PyTorch.

Both are small modules, so that an exporter can put a graph's own operator in their place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.defects.networks.boxes import area, intersection


class Suppression(nn.Module):
    """Greedy non-maximum suppression inside groups: keeps a box if no better one that is kept overlaps it too much.

    Boxes (N, 4), scores (N,), groups (N,) int64 ≥ 0 (class or level; boxes of different groups do not see each other)
    → indices of the kept boxes, best score first, at most `most`.

    The greedy answer is found without a loop over the boxes: a box is kept if no kept better one overlaps it. Starting
    from "all are kept", applying that rule again and again settles the boxes from the best downwards, and ends at the
    greedy answer, exactly, after as many rounds as the longest chain of suppressions; usually a handful.
    """

    def __init__(self, iou: float, most: int) -> None:
        super().__init__()
        self.iou = iou
        self.most = most

    def forward(self, boxes: Tensor, scores: Tensor, groups: Tensor) -> Tensor:
        order = torch.argsort(scores, descending=True, stable=True)
        boxes, groups = boxes[order].float(), groups[order]
        keep = torch.zeros_like(groups, dtype=torch.bool)
        for group in torch.unique(groups):
            members = torch.nonzero(groups == group).squeeze(1)
            keep[members] = self.settle(boxes[members])
        return order[keep][: self.most]

    def settle(self, boxes: Tensor) -> Tensor:
        """Which of boxes (N, 4), best first, are kept: (N,) bool."""
        shared, size = intersection(boxes, boxes), area(boxes)
        # shared > iou · union, without a division, that empty boxes could not stand
        overlaps = (shared > self.iou * (size[:, None] + size[None, :] - shared)).triu(1).float()
        kept = torch.ones_like(size)
        settled = False
        while not settled:
            again = (torch.mv(overlaps.t(), kept) < 0.5).float()
            settled = torch.equal(again, kept)
            kept = again
        return kept > 0.5


class Best(nn.Module):
    """The `most` best of scores (N,), or all where there are fewer: (values, indices), best first."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def forward(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        return torch.topk(scores, min(self.most, scores.shape[0]))
