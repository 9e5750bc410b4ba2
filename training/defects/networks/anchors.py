"""Anchors: the boxes of fixed sizes and shapes, one set at every pixel of every level, that proposals start from."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.defects.networks.config import FEATURES, STRIDES, AnchorConfig


class Anchors(nn.Module):
    """Features → anchors of each level, (H · W · A, 4) x1, y1, x2, y2 in px, ordered by row, column, anchor.

    The first anchor of a level is centred on pixel `offset` · stride, the next one a stride further.
    """

    def __init__(self, config: AnchorConfig, features: tuple[str, ...]) -> None:
        super().__init__()
        self.strides = [float(STRIDES[FEATURES.index(feature)]) for feature in features]
        self.offset = config.offset
        # A parameter list would be trained, and buffers in a list are not moved with the module.
        self.cells = nn.ModuleList(
            _Cell(sizes, ratios) for sizes, ratios in zip(config.sizes_px, config.aspect_ratios, strict=True)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """features: one (N, C, H, W) per level, of which only the sizes are read."""
        anchors: list[Tensor] = []
        for level, cell in enumerate(self.cells):
            height, width = features[level].shape[-2], features[level].shape[-1]
            stride, device = self.strides[level], features[level].device
            y = (torch.arange(height, device=device, dtype=torch.float32) + self.offset) * stride
            x = (torch.arange(width, device=device, dtype=torch.float32) + self.offset) * stride
            x, y = x[None, :].expand(height, width), y[:, None].expand(height, width)
            centres = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)
            anchors.append((centres + cell()).reshape(-1, 4))
        return anchors


class _Cell(nn.Module):
    """The anchors of one place, (A, 4) around 0, 0."""

    def __init__(self, sizes_px: tuple[float, ...], aspect_ratios: tuple[float, ...]) -> None:
        super().__init__()
        boxes = []
        for size in sizes_px:
            for ratio in aspect_ratios:
                width = (size * size / ratio) ** 0.5
                height = ratio * width
                boxes.append([-width / 2, -height / 2, width / 2, height / 2])
        self.boxes = nn.Buffer(torch.tensor(boxes), persistent=False)

    def forward(self) -> Tensor:
        return self.boxes
