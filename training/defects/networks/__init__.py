"""Mask R-CNN with ResNet feature pyramids, in plain PyTorch."""

from training.defects.networks.config import MaskRCNNConfig, compact
from training.defects.networks.mask_rcnn import MaskRCNN

__all__ = ["MaskRCNN", "MaskRCNNConfig", "compact"]
