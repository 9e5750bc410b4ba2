"""Region proposal network (Ren et al. 2015): which anchors hold something, whatever it is."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.defects.networks.boxes import clip, decode
from training.defects.networks.config import FEATURES, MaskRCNNConfig
from training.defects.networks.suppression import Best, Suppression


class ProposalHead(nn.Module):
    """Features of each level → (logits, corrections) of each anchor.

    Input a list of (N, C, H, W); output two lists, (N, H · W · A) and (N, H · W · A, 4), in the order of the anchors.
    """

    def __init__(self, config: MaskRCNNConfig) -> None:
        super().__init__()
        channels = config.pyramid.channels
        self.first = FEATURES.index(config.proposals.features[0])
        self.levels = len(config.proposals.features)
        self.convolutions = nn.ModuleList()
        for outputs in config.proposals.convolution_channels:
            outputs = channels if outputs == -1 else outputs
            self.convolutions.append(nn.Conv2d(channels, outputs, 3, padding=1))
            channels = outputs
        self.logits = nn.Conv2d(channels, config.anchors_per_place, 1)
        self.corrections = nn.Conv2d(channels, 4 * config.anchors_per_place, 1)

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        logits: list[Tensor] = []
        corrections: list[Tensor] = []
        for x in features[self.first : self.first + self.levels]:
            for convolution in self.convolutions:
                x = functional.relu(convolution(x))
            logits.append(self.logits(x).permute(0, 2, 3, 1).flatten(1))
            # The channels of the corrections are ordered anchor, coordinate.
            corrections.append(self.corrections(x).permute(0, 2, 3, 1).reshape(x.shape[0], -1, 4))
        return logits, corrections


class ProposalChoice(nn.Module):
    """The best anchors of one picture, corrected, cut to the picture, without doubles: (R, 4), best first.

    Logits and corrections are those of one picture, a level each: (H · W · A,) and (H · W · A, 4).
    """

    def __init__(self, config: MaskRCNNConfig, *, training: bool) -> None:
        super().__init__()
        proposals = config.proposals
        self.box_weights = proposals.box_weights
        self.min_size = proposals.min_size_px
        self.best = Best(proposals.before_nms_training if training else proposals.before_nms)
        self.suppression = Suppression(
            proposals.nms_iou, proposals.after_nms_training if training else proposals.after_nms
        )

    def forward(self, logits: list[Tensor], corrections: list[Tensor], anchors: list[Tensor], extent: Tensor) -> Tensor:
        all_scores: list[Tensor] = []
        all_boxes: list[Tensor] = []
        all_levels: list[Tensor] = []
        for level in range(len(logits)):
            scores, chosen = self.best(logits[level].float())
            boxes = decode(corrections[level][chosen].float()[:, None], anchors[level][chosen], self.box_weights)
            all_scores.append(scores)
            all_boxes.append(boxes[:, 0])
            all_levels.append(torch.full_like(chosen, level))
        scores, boxes, levels = torch.cat(all_scores), clip(torch.cat(all_boxes), extent), torch.cat(all_levels)
        width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        large = torch.nonzero((width > self.min_size) & (height > self.min_size)).squeeze(1)
        scores, boxes, levels = scores[large], boxes[large], levels[large]
        return boxes[self.suppression(boxes, scores, levels)]
