"""The heads of Mask R-CNN: what a region is, where exactly it ends, and which of its pixels belong to it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.defects.networks.boxes import clip, decode
from training.defects.networks.config import MaskRCNNConfig
from training.defects.networks.suppression import Suppression


class BoxHead(nn.Module):
    """Pooled features (R, C, P, P) → class logits (R, K + 1), the last one background; corrections (R, K or 1, 4)."""

    def __init__(self, config: MaskRCNNConfig) -> None:
        super().__init__()
        head, channels = config.box_head, config.pyramid.channels
        self.resolution = head.resolution
        self.convolutions = nn.ModuleList()
        for _ in range(head.convolutions):
            self.convolutions.append(nn.Conv2d(channels, head.convolution_channels, 3, padding=1))
            channels = head.convolution_channels
        values = channels * head.resolution**2
        self.linears = nn.ModuleList()
        for _ in range(head.linears):
            self.linears.append(nn.Linear(values, head.linear_channels))
            values = head.linear_channels
        self.logits = nn.Linear(values, len(config.classes) + 1)
        self.corrected = 1 if head.class_agnostic else len(config.classes)
        self.corrections = nn.Linear(values, 4 * self.corrected)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for convolution in self.convolutions:
            x = functional.relu(convolution(x))
        return self.of_values(x.flatten(1))

    def of_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same from the values (R, C · P · P) that the convolutions leave."""
        for linear in self.linears:
            x = functional.relu(linear(x))
        return self.logits(x), self.corrections(x).view(-1, self.corrected, 4)


class MaskHead(nn.Module):
    """Pooled features (R, C, P, P) → mask logits (R, K or 1, 2P, 2P)."""

    def __init__(self, config: MaskRCNNConfig) -> None:
        super().__init__()
        head, channels = config.mask_head, config.pyramid.channels
        self.convolutions = nn.ModuleList()
        for _ in range(head.convolutions):
            self.convolutions.append(nn.Conv2d(channels, head.channels, 3, padding=1))
            channels = head.channels
        self.enlarge = nn.ConvTranspose2d(channels, head.channels, 2, 2)
        self.logits = nn.Conv2d(head.channels, 1 if head.class_agnostic else len(config.classes), 1)

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convolutions:
            x = functional.relu(convolution(x))
        return self.logits(functional.relu(self.enlarge(x)))


class DetectionChoice(nn.Module):
    """Class logits and corrections of the proposals → the detections of one picture, best first, at most `most`.

    Logits (R, K + 1), corrections (R, K or 1, 4), proposals (R, 4) → boxes (N, 4), scores (N,), classes (N,) int64.
    """

    def __init__(self, config: MaskRCNNConfig) -> None:
        super().__init__()
        self.box_weights = config.box_head.box_weights
        self.score_of_any = config.regions.score == "defect"
        self.score_threshold = config.regions.score_threshold
        self.class_agnostic = config.box_head.class_agnostic
        self.suppression = Suppression(config.regions.nms_iou, config.regions.detections)

    def forward(
        self, logits: Tensor, corrections: Tensor, proposals: Tensor, extent: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        probabilities = torch.softmax(logits.float(), dim=1)[:, :-1]
        if self.score_of_any:
            any_class = probabilities.sum(dim=1, keepdim=True)
            likeliest = probabilities == probabilities.max(dim=1, keepdim=True)[0]
            probabilities = torch.where(likeliest, any_class, torch.zeros_like(probabilities))
        boxes = clip(decode(corrections.float(), proposals, self.box_weights), extent)
        found = torch.nonzero(probabilities > self.score_threshold)
        regions, classes = found[:, 0], found[:, 1]
        scores = probabilities[regions, classes]
        boxes = boxes[regions, torch.zeros_like(classes) if self.class_agnostic else classes]
        kept = self.suppression(boxes, scores, classes)
        return boxes[kept], scores[kept], classes[kept]
