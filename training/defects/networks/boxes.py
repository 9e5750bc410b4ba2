"""Boxes as (…, 4) tensors x1, y1, x2, y2 in px, x2 and y2 exclusive: areas, overlaps, corrections.

Corrections are those of Girshick 2014 (R-CNN, appendix C): centre shifts relative to the size, sizes as logarithms.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def area(boxes: Tensor) -> Tensor:
    """Area of each box (…), px²."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def intersection(a: Tensor, b: Tensor) -> Tensor:
    """Shared area of each box of a (A, 4) with each of b (B, 4): (A, B), px²."""
    width = torch.min(a[:, None, 2], b[None, :, 2]) - torch.max(a[:, None, 0], b[None, :, 0])
    height = torch.min(a[:, None, 3], b[None, :, 3]) - torch.max(a[:, None, 1], b[None, :, 1])
    return width.clamp(min=0.0) * height.clamp(min=0.0)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of each box of a (A, 4) with each of b (B, 4): (A, B); 0 for two empty boxes."""
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    return shared / union.clamp(min=1e-6)


def decode(corrections: Tensor, boxes: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """Applies corrections (R, K, 4), K of them for each of boxes (R, 4): corrected boxes (R, K, 4), px.

    Growth is limited, so that an untrained head cannot overflow: to 1000 / 16, as in Detectron2.
    """
    largest = math.log(1000.0 / 16.0)
    width, height = boxes[:, None, 2] - boxes[:, None, 0], boxes[:, None, 3] - boxes[:, None, 1]
    x = boxes[:, None, 0] + 0.5 * width + corrections[..., 0] / weights[0] * width
    y = boxes[:, None, 1] + 0.5 * height + corrections[..., 1] / weights[1] * height
    half_width = 0.5 * width * torch.exp((corrections[..., 2] / weights[2]).clamp(max=largest))
    half_height = 0.5 * height * torch.exp((corrections[..., 3] / weights[3]).clamp(max=largest))
    return torch.stack([x - half_width, y - half_height, x + half_width, y + half_height], dim=-1)


def encode(targets: Tensor, boxes: Tensor, weights: tuple[float, float, float, float]) -> Tensor:
    """The corrections (R, 4) that carry boxes (R, 4) onto targets (R, 4); the inverse of `decode`."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    target_width, target_height = targets[:, 2] - targets[:, 0], targets[:, 3] - targets[:, 1]
    x = (targets[:, 0] + 0.5 * target_width - boxes[:, 0] - 0.5 * width) / width
    y = (targets[:, 1] + 0.5 * target_height - boxes[:, 1] - 0.5 * height) / height
    log_width, log_height = torch.log(target_width / width), torch.log(target_height / height)
    return torch.stack([x * weights[0], y * weights[1], log_width * weights[2], log_height * weights[3]], dim=1)


def clip(boxes: Tensor, extent: Tensor) -> Tensor:
    """Boxes (…, 4) cut to the picture; extent (4,) is width, height, width, height in px."""
    return torch.minimum(boxes.clamp(min=0.0), extent)


def extent_of(image: Tensor) -> Tensor:
    """Width, height, width, height of a picture (…, H, W) as a float tensor (4,) on its device.

    A tensor made from the shape, not a constant, so that a traced graph keeps the size open.
    """
    height = torch.full([1], image.shape[-2], dtype=torch.float32, device=image.device)
    width = torch.full([1], image.shape[-1], dtype=torch.float32, device=image.device)
    return torch.cat([width, height, width, height])
