"""The parts of a Mask R-CNN that a traced graph cannot hold as they are, as standard ONNX operators.

Non-maximum suppression, ROIAlign and the choice of the best scores are loops and tables in PyTorch; ONNX has
`NonMaxSuppression`, `RoiAlign` (from opset 16 with half-pixel centres) and `TopK` for them. Each is put into the graph
through an operator of our own, which runs our own code when it is called and is replaced by ONNX's while exporting.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.onnx import register_custom_op_symbolic, symbolic_helper

from export.onnx import OPSET
from training.defects.networks.mask_rcnn import MaskRCNN
from training.defects.networks.roi_align import RegionPool, roi_align
from training.defects.networks.suppression import Best, Suppression


@torch.library.custom_op("emserve::suppress", mutates_args=())
def suppress(boxes: Tensor, scores: Tensor, groups: Tensor, iou: float, most: int) -> Tensor:
    """As `Suppression`."""
    return Suppression(iou, most)(boxes, scores, groups)


@torch.library.custom_op("emserve::roi_align", mutates_args=())
def align(feature: Tensor, boxes: Tensor, stride: float, resolution: int, sampling: int) -> Tensor:
    """As `roi_align`, for one level and one picture: (1, C, H, W) and (R, 4) → (R, C, resolution, resolution)."""
    level = torch.zeros_like(boxes[:, 0], dtype=torch.int64)
    return roi_align([feature], boxes, level, level, [stride], resolution, sampling).contiguous()


@symbolic_helper.parse_args("v", "v", "v", "f", "i")
def _suppress_in_onnx(g: Any, boxes: Any, scores: Any, groups: Any, iou: float, most: int) -> Any:
    # Groups are moved apart, so that boxes of different ones cannot overlap.
    apart = g.op("Add", g.op("ReduceMax", boxes, keepdims_i=0), _constant(g, 1.0))
    shift = g.op("Unsqueeze", g.op("Mul", g.op("Cast", groups, to_i=1), apart), _constant(g, [1]))
    moved = g.op("Unsqueeze", g.op("Add", boxes, shift), _constant(g, [0]))
    rows = g.op("Unsqueeze", scores, _constant(g, [0, 1]))
    kept = g.op("NonMaxSuppression", moved, rows, _constant(g, [most]), _constant(g, [iou]))
    # Each row is picture, class, box: only the box is of interest.
    return g.op("Gather", kept, _constant(g, 2), axis_i=1)


@symbolic_helper.parse_args("v", "v", "f", "i", "i")
def _align_in_onnx(g: Any, feature: Any, boxes: Any, stride: float, resolution: int, sampling: int) -> Any:
    regions = g.op("Slice", g.op("Shape", boxes), _constant(g, [0]), _constant(g, [1]))
    pictures = g.op("ConstantOfShape", regions, value_t=torch.tensor([0]))
    return g.op(
        "RoiAlign",
        feature,
        boxes,
        pictures,
        mode_s="avg",
        output_height_i=resolution,
        output_width_i=resolution,
        sampling_ratio_i=sampling,
        spatial_scale_f=1.0 / stride,
        coordinate_transformation_mode_s="half_pixel",
    )


def _constant(g: Any, value: float | list[float]) -> Any:
    return g.op("Constant", value_t=torch.tensor(value))


register_custom_op_symbolic("emserve::suppress", _suppress_in_onnx, OPSET)
register_custom_op_symbolic("emserve::roi_align", _align_in_onnx, OPSET)


class GraphSuppression(nn.Module):
    """`Suppression` as one operator of a graph. An empty set of boxes is suppressed to an empty set."""

    def __init__(self, suppression: Suppression) -> None:
        super().__init__()
        self.iou, self.most = suppression.iou, suppression.most

    def forward(self, boxes: Tensor, scores: Tensor, groups: Tensor) -> Tensor:
        return suppress(boxes, scores, groups, self.iou, self.most)


class GraphBest(nn.Module):
    """`Best` with the number of scores left open."""

    def __init__(self, best: Best) -> None:
        super().__init__()
        self.most = best.most

    def forward(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        # While tracing, the size is a tensor, and stays one.
        count = torch.as_tensor(scores.shape[0]).clamp(max=self.most)
        values, indices = torch.topk(scores, count)  # type: ignore[arg-type]
        return values, indices


class GraphRegionPool(nn.Module):
    """`RegionPool` for one picture, level by level, with the regions put back into their order afterwards."""

    def __init__(self, pool: RegionPool) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, features: list[Tensor], boxes: Tensor, pictures: Tensor) -> Tensor:
        levels = self.pool.level_of(boxes)
        numbers: list[Tensor] = []
        pooled: list[Tensor] = []
        for level, stride in enumerate(self.pool.strides):
            chosen = torch.nonzero(levels == level).squeeze(1)
            feature = features[self.pool.first + level]
            numbers.append(chosen)
            pooled.append(align(feature, boxes[chosen], stride, self.pool.resolution, self.pool.sampling))
        order = torch.cat(numbers)
        # The inverse of a permutation is what sorts it.
        return torch.cat(pooled)[torch.topk(order, order.shape[0], largest=False)[1]]


def for_graph(network: MaskRCNN) -> MaskRCNN:
    """A copy of a network whose trace holds standard operators only, for one picture of any size."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Suppression):
                setattr(module, name, GraphSuppression(child))
            elif isinstance(child, Best):
                setattr(module, name, GraphBest(child))
            elif isinstance(child, RegionPool):
                setattr(module, name, GraphRegionPool(child))
    return network
