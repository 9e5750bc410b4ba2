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
from training.defects.networks.boxes import extent_of
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
    """`RegionPool` for one picture, level by level, with the regions put back into their order afterwards.

    Answers the boxes as well, put together again from the parts that were pooled; see `Graph`.
    """

    def __init__(self, pool: RegionPool) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, features: list[Tensor], boxes: Tensor) -> tuple[Tensor, Tensor]:
        levels = self.pool.level_of(boxes)
        numbers: list[Tensor] = []
        parts: list[Tensor] = []
        pooled: list[Tensor] = []
        for level, stride in enumerate(self.pool.strides):
            chosen = torch.nonzero(levels == level).squeeze(1)
            feature = features[self.pool.first + level]
            numbers.append(chosen)
            parts.append(boxes[chosen])
            pooled.append(align(feature, parts[-1], stride, self.pool.resolution, self.pool.sampling))
        order = torch.cat(numbers)
        # The inverse of a permutation is what sorts it.
        inverse = torch.topk(order, order.shape[0], largest=False)[1]
        return torch.cat(pooled)[inverse], torch.cat(parts)[inverse]


class Graph(nn.Module):
    """A network whose trace holds standard operators only, for one picture of any size; input and output as it has.

    Every box that is answered comes by way of the boxes that were pooled. It is the same number, but it keeps that part
    of the graph from being run in bf16, where a box at 500 px would move by 2: OpenVINO rounds what lies before a
    convolution or a matrix product, and leaves alone what leads from the last of them to an output.
    """

    def __init__(self, network: MaskRCNN) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.box_pool, self.mask_pool = GraphRegionPool(network.box_pool), GraphRegionPool(network.mask_pool)
        for module in list(self.network.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, Suppression):
                    setattr(module, name, GraphSuppression(child))
                elif isinstance(child, Best):
                    setattr(module, name, GraphBest(child))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        network, extent = self.network, extent_of(image)
        features = network.features(image[None])
        logits, corrections = network.proposal_head(features)
        proposals = network.proposal_choice(
            [level[0] for level in logits], [level[0] for level in corrections], network.anchors_of(features), extent
        )
        pooled, proposals = self.box_pool(features, proposals)
        boxes, scores, classes = network.detection_choice(*network.box_head(pooled), proposals, extent)
        pooled, boxes = self.mask_pool(features, boxes)
        return boxes, scores, classes, network.of_class(network.mask_head(pooled), classes).sigmoid()
