"""Mask R-CNN (He et al. 2017) on a ResNet with a feature pyramid, in plain PyTorch, equal to Detectron2's.

One picture goes in and detections come out; the parts are public, because training calls them one by one. Masks stay
on their 28 × 28 grids: what they are in the picture is the analysis' business.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.defects.networks.anchors import Anchors
from training.defects.networks.boxes import extent_of
from training.defects.networks.config import MaskRCNNConfig
from training.defects.networks.heads import BoxHead, DetectionChoice, MaskHead
from training.defects.networks.proposals import ProposalChoice, ProposalHead
from training.defects.networks.pyramid import FeaturePyramid
from training.defects.networks.resnet import ResNet
from training.defects.networks.roi_align import RegionPool

MULTIPLE_OF = 32
"""Pictures are padded to a multiple of this inside the network, with what the mean grey becomes: zero."""


class MaskRCNN(nn.Module):
    """One micrograph → its detections.

    Input `image` (C, H, W), grey levels 0 to 255 as float, C as the configuration says, any H and W. Output, best
    score first:

    - boxes (N, 4) float32, x1, y1, x2, y2 in px; x from 0 to W, the left edge of the first pixel being 0;
    - scores (N,) float32, 0 to 1;
    - classes (N,) int64, the number of the class in `config.classes`;
    - masks (N, 28, 28) float32, the probability of each cell of the box's grid to belong to the defect.
    """

    def __init__(self, config: MaskRCNNConfig) -> None:
        super().__init__()
        self.config = config
        self.multiple_of = MULTIPLE_OF
        self.backbone = FeaturePyramid(config.pyramid, ResNet(config.resnet, config.input_channels))
        self.anchors = Anchors(config.anchors, config.proposals.features)
        self.proposal_head = ProposalHead(config)
        self.proposal_choice = ProposalChoice(config, training=False)
        levels = config.regions.features
        self.box_pool = RegionPool(config.box_head.resolution, config.box_head.sampling, levels)
        self.box_head = BoxHead(config)
        self.detection_choice = DetectionChoice(config)
        self.mask_pool = RegionPool(config.mask_head.resolution, config.mask_head.sampling, levels)
        self.mask_head = MaskHead(config)
        self.class_agnostic_masks = config.mask_head.class_agnostic
        self.pixel_mean = nn.Buffer(torch.tensor(config.pixel_mean).view(-1, 1, 1), persistent=False)
        self.pixel_std = nn.Buffer(torch.tensor(config.pixel_std).view(-1, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        extent = extent_of(image)
        features = self.features(image[None])
        logits, corrections = self.proposal_head(features)
        proposals = self.proposal_choice(
            [level[0] for level in logits], [level[0] for level in corrections], self.anchors_of(features), extent
        )
        class_logits, class_corrections = self.box_head(self.box_pool(features, proposals, self.first_of(proposals)))
        boxes, scores, classes = self.detection_choice(class_logits, class_corrections, proposals, extent)
        mask_logits = self.mask_head(self.mask_pool(features, boxes, self.first_of(boxes)))
        return boxes, scores, classes, self.of_class(mask_logits, classes).sigmoid()

    def features(self, images: Tensor) -> list[Tensor]:
        """Pictures of one size (N, C, H, W) → features p2 to p6 of the padded pictures."""
        height, width = images.shape[-2], images.shape[-1]
        x = (images.float() - self.pixel_mean) / self.pixel_std
        x = functional.pad(x, [0, -width % self.multiple_of, 0, -height % self.multiple_of])
        return self.backbone(x)

    def anchors_of(self, features: list[Tensor]) -> list[Tensor]:
        """The anchors of the levels that the proposals look at, in px: a list of (H · W · A, 4)."""
        first = self.proposal_head.first
        return self.anchors(features[first : first + self.proposal_head.levels])

    def first_of(self, boxes: Tensor) -> Tensor:
        """The number of the picture of each of boxes (R, 4) where there is only one picture: (R,) int64 zeros."""
        return torch.zeros_like(boxes[:, 0], dtype=torch.int64)

    def of_class(self, mask_logits: Tensor, classes: Tensor) -> Tensor:
        """The mask of its own class for each region: (R, K or 1, S, S) and (R,) → (R, S, S)."""
        if self.class_agnostic_masks:
            return mask_logits[:, 0]
        size = mask_logits.shape[-1]
        index = classes[:, None, None, None].expand(-1, 1, size, size)
        return torch.gather(mask_logits, 1, index)[:, 0]
