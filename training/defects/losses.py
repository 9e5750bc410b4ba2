"""What a Mask R-CNN is trained to make small (He et al. 2017), with labels that know less than everything.

Unlabelled is not background. Of every region, the labels say what it may be (see targets.py): the class loss is the
negative logarithm of the probability that the network gives to all of that together,

    −log Σ p(c) over the allowed c,

which is the usual cross entropy where one class is allowed. In a picture in which only ⟨111⟩ loops were labelled, a
region without a label may be background, a ⟨100⟩ loop or a black dot: the network is told that it is no ⟨111⟩ loop and
nothing else. A loop of unknown type may be any kind of loop. Box and mask of a defect of several possible classes train
the outputs of the likeliest of them. Proposals do not know classes: they learn nothing from unlabelled places where any
class may be hidden, and of a defect of which only the box is known, no mask is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from training.defects.networks import MaskRCNN, MaskRCNNConfig
from training.defects.networks.boxes import encode, extent_of
from training.defects.networks.proposals import ProposalChoice
from training.defects.sampling import AnchorExamples, RegionExamples, anchor_examples, region_examples
from training.defects.targets import Targets


@dataclass(frozen=True)
class Losses:
    """The five parts of the loss, each a number with a gradient."""

    objectness: Tensor
    anchor_box: Tensor
    region_class: Tensor
    region_box: Tensor
    region_mask: Tensor

    def total(self) -> Tensor:
        """Their sum."""
        return self.objectness + self.anchor_box + self.region_class + self.region_box + self.region_mask

    def numbers(self) -> dict[str, float]:
        """The parts by name, for a log."""
        return {field.name: float(getattr(self, field.name).detach()) for field in fields(self)}


class MaskRCNNLoss:
    """The loss of a batch of pictures of one size; which examples it looks at is drawn with a seed."""

    def __init__(self, config: MaskRCNNConfig, seed: int = 0) -> None:
        self.config = config
        self.choice = ProposalChoice(config, training=True)
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, network: MaskRCNN, images: Tensor, targets: Sequence[Targets]) -> Losses:
        """The losses of `images` (N, C, H, W), grey levels 0 to 255, with the labels of each of the N pictures."""
        features = network.features(images)
        logits, corrections = network.proposal_head(features)
        per_level = network.anchors_of(features)
        anchors = torch.cat(per_level)
        with torch.no_grad():
            at_anchors = [anchor_examples(anchors, target, self.config.proposals, self.generator) for target in targets]
            regions = [
                region_examples(
                    self.choice(
                        [level[n] for level in logits],
                        [level[n] for level in corrections],
                        per_level,
                        extent_of(images),
                    ),
                    target,
                    self.config.regions,
                    self.generator,
                )
                for n, target in enumerate(targets)
            ]
        objectness, anchor_box = self._proposal_losses(
            torch.cat(logits, 1), torch.cat(corrections, 1), anchors, at_anchors
        )
        region_class, box, chosen = self._box_losses(network, features, regions, targets)
        mask = self._mask_loss(network, features, regions, targets, chosen)
        return Losses(objectness, anchor_box, region_class, box, mask)

    def _proposal_losses(
        self, logits: Tensor, corrections: Tensor, anchors: Tensor, examples: Sequence[AnchorExamples]
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, A) and corrections (N, A, 4): binary cross entropy and L1, per example that could be drawn."""
        objectness, box = logits.new_zeros((), dtype=torch.float32), logits.new_zeros((), dtype=torch.float32)
        for n, example in enumerate(examples):
            taken = torch.cat([example.positive, example.negative])
            truth = torch.zeros(len(taken), device=logits.device)
            truth[: len(example.positive)] = 1.0
            objectness = objectness + functional.binary_cross_entropy_with_logits(
                logits[n, taken].float(), truth, reduction="sum"
            )
            wanted = encode(example.boxes, anchors[example.positive], self.config.proposals.box_weights)
            box = box + functional.l1_loss(corrections[n, example.positive].float(), wanted, reduction="sum")
        drawn = self.config.proposals.samples_per_image * len(examples)
        return objectness / drawn, box / drawn

    def _box_losses(
        self,
        network: MaskRCNN,
        features: list[Tensor],
        regions: Sequence[RegionExamples],
        targets: Sequence[Targets],
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Class loss, box loss, and the class (P,) that the outputs of each positive region are trained for."""
        boxes, pictures = torch.cat([region.boxes for region in regions]), _pictures(regions, positive=False)
        allowed = torch.cat([region.allowed for region in regions])
        logits, corrections = network.box_head(network.box_pool(features, boxes, pictures))
        region_class = allowed_class_loss(logits.float(), allowed)
        positive = ~allowed[:, -1]
        chosen = logits.detach()[positive].masked_fill(~allowed[positive], -torch.inf).argmax(dim=1)
        truth = torch.cat([target.boxes[region.target] for region, target in zip(regions, targets, strict=True)])
        wanted = encode(truth, boxes[positive], self.config.box_head.box_weights)
        column = torch.zeros_like(chosen) if self.config.box_head.class_agnostic else chosen
        found = corrections.float()[positive][torch.arange(len(column), device=column.device), column]
        return region_class, functional.l1_loss(found, wanted, reduction="sum") / max(len(boxes), 1), chosen

    def _mask_loss(
        self,
        network: MaskRCNN,
        features: list[Tensor],
        regions: Sequence[RegionExamples],
        targets: Sequence[Targets],
        chosen: Tensor,
    ) -> Tensor:
        """Binary cross entropy of the masks of positive regions whose defect has an outline."""
        outlined = torch.cat([target.outlined[region.target] for region, target in zip(regions, targets, strict=True)])
        boxes = torch.cat([region.boxes[: len(region.target)] for region in regions])[outlined]
        if len(boxes) == 0:
            # Zero, but with a gradient for every weight: some optimisers and parallel trainers want one.
            return sum((weight.sum() * 0.0 for weight in network.mask_head.parameters()), boxes.new_zeros(()))
        pooled = network.mask_pool(features, boxes, _pictures(regions, positive=True)[outlined])
        logits = network.of_class(network.mask_head(pooled), chosen[outlined]).float()
        wanted = torch.cat(
            [
                mask_on_grid(target.masks[number], box, logits.shape[-1])
                for region, target in zip(regions, targets, strict=True)
                for number, box in _outlined(region, target)
            ]
        )
        return functional.binary_cross_entropy_with_logits(logits, wanted.to(logits.dtype))


def allowed_class_loss(logits: Tensor, allowed: Tensor) -> Tensor:
    """Mean of −log Σ p(c) over the allowed classes: logits (R, K + 1), allowed (R, K + 1) bool; 0 for no regions."""
    if len(logits) == 0:
        return logits.sum()
    inside = logits.masked_fill(~allowed, -torch.inf)
    return (logits.logsumexp(dim=1) - inside.logsumexp(dim=1)).mean()


def mask_on_grid(mask: Tensor, box: Tensor, size: int) -> Tensor:
    """A mask (H, W) bool seen through a box (4,): (1, size, size) bool, by the mean of 2 × 2 samples a cell.

    Beyond the picture the mask goes on as at its edge, as for the features of the region.
    """
    height, width = mask.shape
    # One pixel more than the box, for the interpolation.
    left, right = int(box[0].floor().clamp(1, width)) - 1, int(box[2].ceil().clamp(0, width - 1)) + 1
    top, bottom = int(box[1].floor().clamp(1, height)) - 1, int(box[3].ceil().clamp(0, height - 1)) + 1
    steps = (torch.arange(2 * size, device=box.device) + 0.5) / (2 * size)
    x = box[0] + steps * (box[2] - box[0]) - left
    y = box[1] + steps * (box[3] - box[1]) - top
    # grid_sample's -1 and 1 are the edges of the crop.
    places = torch.meshgrid(x / (right - left) * 2 - 1, y / (bottom - top) * 2 - 1, indexing="xy")
    values = functional.grid_sample(
        mask[None, None, top:bottom, left:right].float(),
        torch.stack(places, dim=-1)[None],
        padding_mode="border",
        align_corners=False,
    )
    return functional.avg_pool2d(values, 2)[0] >= 0.5


def _outlined(region: RegionExamples, target: Targets) -> list[tuple[int, Tensor]]:
    """Number of the defect and box of each positive region whose defect has an outline."""
    numbers = region.target.tolist()
    return [(number, region.boxes[row]) for row, number in enumerate(numbers) if bool(target.outlined[number])]


def _pictures(regions: Sequence[RegionExamples], *, positive: bool) -> Tensor:
    """The number of the picture of each region, or of each positive one: (R,) int64."""
    counts = [len(region.target) if positive else len(region.boxes) for region in regions]
    device = regions[0].boxes.device
    return torch.cat([torch.full((count,), n, device=device) for n, count in enumerate(counts)])
