"""ROIAlign (He et al. 2017): the features of a region on a fixed grid, interpolated at half-pixel centres."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.defects.networks.boxes import area
from training.defects.networks.config import FEATURES, STRIDES

CANONICAL_SIZE_PX = 224.0
CANONICAL_LEVEL = 4
"""A region of the size of a classic training picture is looked at on p4 (Lin et al. 2017, equation 1)."""


class RegionPool(nn.Module):
    """Features of each region on a grid of `resolution` × `resolution`, from the level that suits its size.

    Features: a list of (N, C, H, W), p2 first. Boxes (R, 4) in px of the picture, pictures (R,) int64 in 0..N-1
    → (R, C, resolution, resolution).

    Each bin is the mean of `sampling` × `sampling` samples, or of one sample per feature pixel (rounded up) where
    `sampling` is 0. Samples more than one pixel outside are 0; those less far outside take the value of the edge.
    """

    def __init__(self, resolution: int, sampling: int, features: tuple[str, ...]) -> None:
        super().__init__()
        self.resolution = resolution
        self.sampling = sampling
        self.canonical_size, self.canonical_level = CANONICAL_SIZE_PX, CANONICAL_LEVEL
        self.first = FEATURES.index(features[0])
        self.strides = [float(STRIDES[FEATURES.index(feature)]) for feature in features]

    def forward(self, features: list[Tensor], boxes: Tensor, pictures: Tensor) -> Tensor:
        used = features[self.first : self.first + len(self.strides)]
        return roi_align(used, boxes, pictures, self.level_of(boxes), self.strides, self.resolution, self.sampling)

    def level_of(self, boxes: Tensor) -> Tensor:
        """Which of the levels in use each of boxes (R, 4) is looked at on: (R,) int64, 0 for the finest."""
        size = area(boxes).sqrt()
        level = torch.floor(self.canonical_level + torch.log2(size / self.canonical_size + 1e-8)).to(torch.int64)
        finest = self.first + 2
        return level.clamp(min=finest, max=finest + len(self.strides) - 1) - finest


def roi_align(
    features: list[Tensor],
    boxes: Tensor,
    pictures: Tensor,
    levels: Tensor,
    strides: list[float],
    resolution: int,
    sampling: int,
) -> Tensor:
    """ROIAlign over several levels at once: (R, C, resolution, resolution), differentiable in the features.

    The pixels of all levels are the rows of one table; every bin is a weighted sum of rows (four per sample), which is
    what an embedding bag computes. Exact for any number of samples, and no tensor has a row per sample and channel.
    """
    device, regions = boxes.device, boxes.shape[0]
    channels = features[0].shape[1]
    table = torch.cat([feature.permute(0, 2, 3, 1).reshape(-1, channels) for feature in features]).float()
    heights = torch.tensor([feature.shape[2] for feature in features], device=device)[levels]
    widths = torch.tensor([feature.shape[3] for feature in features], device=device)[levels]
    starts: list[int] = [0]
    for feature in features:
        starts.append(starts[-1] + feature.shape[0] * feature.shape[2] * feature.shape[3])
    origins = torch.tensor(starts, device=device)[levels] + pictures * heights * widths

    scale = 1.0 / torch.tensor(strides, dtype=torch.float32, device=device)[levels]
    corners = boxes.float() * scale[:, None] - 0.5
    left, top = corners[:, 0], corners[:, 1]
    bin_width, bin_height = (corners[:, 2] - left) / resolution, (corners[:, 3] - top) / resolution
    if sampling > 0:
        columns = torch.full_like(levels, sampling)
        rows = columns
    else:
        columns = bin_width.ceil().to(torch.int64).clamp(min=0)
        rows = bin_height.ceil().to(torch.int64).clamp(min=0)

    # One entry per sample: its region, its bin, its place in the bin.
    bins = resolution * resolution
    count = (rows * columns).repeat_interleave(bins)
    first = count.cumsum(0) - count
    bin_number = torch.repeat_interleave(torch.arange(regions * bins, device=device), count)
    number = torch.arange(bin_number.shape[0], device=device) - first[bin_number]
    region = torch.div(bin_number, bins, rounding_mode="floor")
    place = bin_number - region * bins
    bin_row = torch.div(place, resolution, rounding_mode="floor")
    bin_column = place - bin_row * resolution
    row = torch.div(number, columns[region], rounding_mode="floor")
    column = number - row * columns[region]
    y = top[region] + bin_row * bin_height[region] + (row + 0.5) * (bin_height / rows)[region]
    x = left[region] + bin_column * bin_width[region] + (column + 0.5) * (bin_width / columns)[region]

    # The four pixels around each sample and their weights.
    height, width = heights[region], widths[region]
    inside = (y >= -1.0) & (y <= height) & (x >= -1.0) & (x <= width)
    y, x = y.clamp(min=0.0), x.clamp(min=0.0)
    above, left_of = torch.min(y.to(torch.int64), height - 1), torch.min(x.to(torch.int64), width - 1)
    below, right_of = torch.min(above + 1, height - 1), torch.min(left_of + 1, width - 1)
    down, right = (y - above).clamp(max=1.0), (x - left_of).clamp(max=1.0)
    share = inside / (rows * columns)[region].to(torch.float32)
    upper, lower = origins[region] + above * width, origins[region] + below * width
    indices = torch.stack([upper + left_of, upper + right_of, lower + left_of, lower + right_of], dim=1)
    weights = torch.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right], dim=1)
    weights = weights * share[:, None]
    pooled = functional.embedding_bag(
        indices.reshape(-1), table, first * 4, mode="sum", per_sample_weights=weights.reshape(-1)
    )
    return pooled.view(regions, resolution, resolution, channels).permute(0, 3, 1, 2)
