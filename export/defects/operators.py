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
from torch.nn import functional
from torch.onnx import register_custom_op_symbolic, symbolic_helper

from export.onnx import OPSET
from training.defects.networks.boxes import extent_of
from training.defects.networks.heads import BoxHead, MaskHead
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
    """`RegionPool` for one picture, level by level, and the regions left in that order.

    Answers the pooled features, the boxes put together again from the parts that were pooled (see `Graph`), and which
    region each is. What comes out of a head is put back into order, which is less to move than what goes into it.
    """

    def __init__(self, pool: RegionPool) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, features: list[Tensor], boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
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
        return torch.cat(pooled), torch.cat(parts), torch.cat(numbers)


class GraphBoxHead(nn.Module):
    """`BoxHead` that takes a region's values pixel by pixel, all channels of one after those of another.

    That is how the runtimes of CPUs hold pooled features, which then need not be turned around.
    """

    def __init__(self, head: BoxHead) -> None:
        super().__init__()
        self.head = copy.deepcopy(head)
        linears = [layer for layer in self.head.linears if isinstance(layer, nn.Linear)]
        first = linears[:1] or [self.head.logits, self.head.corrections]
        with torch.no_grad():
            for layer in first:
                by_channel = layer.weight.view(layer.out_features, -1, head.resolution**2)
                layer.weight.copy_(by_channel.transpose(1, 2).reshape(layer.weight.shape))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for convolution in self.head.convolutions:
            x = functional.relu(convolution(x))
        return self.head.of_values(x.permute(0, 2, 3, 1).flatten(1))


class GraphMaskHead(nn.Module):
    """`MaskHead` without its transposed convolution: that one, of 2 × 2 pixels with a stride of 2, makes four pixels
    out of each, by themselves; so do the logits. The four are computed as channels, as convolutions of 1 × 1, and laid
    side by side at the end, when there are only as many channels as classes."""

    def __init__(self, head: MaskHead) -> None:
        super().__init__()
        self.convolutions = head.convolutions
        given, inner, outer = head.enlarge.in_channels, head.enlarge.out_channels, head.logits.out_channels
        self.enlarge = nn.Conv2d(given, 4 * inner, 1)
        self.logits = nn.Conv2d(4 * inner, 4 * outer, 1)
        bias, logits_bias = head.enlarge.bias, head.logits.bias
        assert bias is not None
        assert logits_bias is not None
        with torch.no_grad():
            # channels in the order of pixel, channel; those of the logits in that of class, pixel
            self.enlarge.weight.copy_(head.enlarge.weight.permute(2, 3, 1, 0).reshape(self.enlarge.weight.shape))
            self.enlarge.bias = nn.Parameter(bias.repeat(4))
            blocks = torch.einsum("pq,kc->kpqc", torch.eye(4), head.logits.weight[:, :, 0, 0])
            self.logits.weight.copy_(blocks.reshape(self.logits.weight.shape))
            self.logits.bias = nn.Parameter(logits_bias.repeat_interleave(4))

    def forward(self, x: Tensor) -> Tensor:
        for convolution in self.convolutions:
            x = functional.relu(convolution(x))
        return functional.pixel_shuffle(self.logits(functional.relu(self.enlarge(x))), 2)


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
        self.box_head, self.mask_head = GraphBoxHead(network.box_head), GraphMaskHead(network.mask_head)
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
        pooled, proposals, _ = self.box_pool(features, proposals)
        boxes, scores, classes = network.detection_choice(*self.box_head(pooled), proposals, extent)
        pooled, boxes, order = self.mask_pool(features, boxes)
        masks = network.of_class(self.mask_head(pooled), classes[order]).sigmoid()
        # The inverse of a permutation is what sorts it.
        inverse = torch.topk(order, order.shape[0], largest=False)[1]
        return boxes[inverse], scores, classes, masks[inverse]
