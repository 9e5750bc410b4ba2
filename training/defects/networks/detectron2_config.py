"""Detectron2's `config.yaml` → our configuration; what cannot be represented is refused by name.

Source: the keys and defaults of Detectron2's `config/defaults.py`. A key that only concerns data or the solver is not
read. Keys that are absent have Detectron2's default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from emserve.exceptions import InvalidParameter
from training.defects.networks.config import (
    FEATURES,
    AnchorConfig,
    BoxHeadConfig,
    MaskHeadConfig,
    MaskRCNNConfig,
    ProposalConfig,
    PyramidConfig,
    RegionConfig,
    ResNetConfig,
)


class UnsupportedNetwork(InvalidParameter):
    """A network that is not a Mask R-CNN on a ResNet with a feature pyramid; the message names what it is instead."""

    code = "unsupported_network"


@dataclass(frozen=True)
class PredictorScale:
    """How Detectron2's predictor scales a picture before the network: its sides in px; 0 for no scaling."""

    shortest_px: int
    longest_px: int


_PYRAMID = "Mask R-CNN with a ResNet feature pyramid"
_ONLY: tuple[tuple[str, Any, tuple[Any, ...], str], ...] = (
    # key, Detectron2's default, what is understood, what the others are
    ("META_ARCHITECTURE", "GeneralizedRCNN", ("GeneralizedRCNN",), "the architecture {value}"),
    ("MASK_ON", False, (True,), "a network without masks (Faster R-CNN)"),
    ("KEYPOINT_ON", False, (False,), "keypoints"),
    ("LOAD_PROPOSALS", False, (False,), "proposals from a file (Fast R-CNN)"),
    ("BACKBONE.NAME", "build_resnet_backbone", ("build_resnet_fpn_backbone",), "the backbone {value}"),
    ("RESNETS.DEPTH", 50, (18, 34, 50, 101, 152), "a ResNet of depth {value}"),
    ("RESNETS.NORM", "FrozenBN", ("FrozenBN", "BN", "SyncBN", "nnSyncBN", "naiveSyncBN"), "the norm {value}"),
    ("RESNETS.RES5_DILATION", 1, (1,), "a dilated last stage (DC5)"),
    ("RESNETS.OUT_FEATURES", ["res4"], (["res2", "res3", "res4", "res5"],), "features {value} of the ResNet"),
    ("FPN.IN_FEATURES", [], (["res2", "res3", "res4", "res5"],), "a pyramid on {value}"),
    ("FPN.NORM", "", ("",), "the norm {value} in the pyramid"),
    ("FPN.FUSE_TYPE", "sum", ("sum", "avg"), "a pyramid fused by {value}"),
    ("PROPOSAL_GENERATOR.NAME", "RPN", ("RPN",), "the proposal generator {value}"),
    ("ANCHOR_GENERATOR.NAME", "DefaultAnchorGenerator", ("DefaultAnchorGenerator",), "the anchors {value}"),
    ("RPN.HEAD_NAME", "StandardRPNHead", ("StandardRPNHead",), "the proposal head {value}"),
    ("ROI_HEADS.NAME", "Res5ROIHeads", ("StandardROIHeads",), "the heads {value}"),
    ("ROI_BOX_HEAD.NAME", "", ("FastRCNNConvFCHead",), "the box head {value}"),
    ("ROI_BOX_HEAD.NORM", "", ("",), "the norm {value} in the box head"),
    ("ROI_BOX_HEAD.POOLER_TYPE", "ROIAlignV2", ("ROIAlignV2",), "the pooler {value}"),
    ("ROI_BOX_HEAD.USE_SIGMOID_CE", False, (False,), "sigmoid scores"),
    ("ROI_MASK_HEAD.NAME", "MaskRCNNConvUpsampleHead", ("MaskRCNNConvUpsampleHead",), "the mask head {value}"),
    ("ROI_MASK_HEAD.NORM", "", ("",), "the norm {value} in the mask head"),
    ("ROI_MASK_HEAD.POOLER_TYPE", "ROIAlignV2", ("ROIAlignV2",), "the pooler {value}"),
)
_FULL_NAMES = {
    "CascadeROIHeads": "CascadeROIHeads (Cascade R-CNN)",
    "Res5ROIHeads": "Res5ROIHeads (C4)",
    "build_resnet_backbone": "build_resnet_backbone (C4 or DC5, without a pyramid)",
    "PointRendMaskHead": "PointRendMaskHead (PointRend)",
    "PointRendROIHeads": "PointRendROIHeads (PointRend)",
    "GN": "GN (group norm)",
}


def read_config(path: Path, classes: Sequence[str] | None = None) -> tuple[MaskRCNNConfig, PredictorScale]:
    """The configuration in a complete `config.yaml`, as Detectron2 writes it beside its checkpoints.

    classes: their names; without, `class_0`, `class_1`, … (Detectron2 keeps the names elsewhere). Raises
    UnsupportedNetwork that names what cannot be represented, InvalidParameter for a file that is no such configuration.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidParameter(
            f"{path.name} cannot be read: {' '.join(str(error).split())}", remedy="Pass the config.yaml of Detectron2."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("MODEL"), dict):
        raise InvalidParameter(
            f"{path.name} is not a configuration of Detectron2: it has no MODEL.",
            remedy="Pass the config.yaml that Detectron2 wrote beside the checkpoint (not a lazy configuration).",
        )
    if "_BASE_" in content:
        raise InvalidParameter(
            f"{path.name} is only a part: the rest is in {content['_BASE_']}.",
            remedy="Pass the complete config.yaml that Detectron2 writes into OUTPUT_DIR when it trains.",
        )
    return parse_config(content, classes)


def parse_config(
    content: dict[str, Any], classes: Sequence[str] | None = None
) -> tuple[MaskRCNNConfig, PredictorScale]:
    """As `read_config`, of the parsed YAML."""
    _refuse_what_is_different(content)

    def model(key: str, default: Any) -> Any:
        return _value(content["MODEL"], key, default)

    number = int(model("ROI_HEADS.NUM_CLASSES", 80))
    names = tuple(classes) if classes is not None else tuple(f"class_{i}" for i in range(number))
    if len(names) != number or len(set(names)) != number:
        raise InvalidParameter(
            f"{len(names)} names of classes ({', '.join(names)}) do not fit a network of {number} classes.",
            remedy=f"Name {number} different classes, in the order of training.",
            field="classes",
        )
    channel_order = str(_value(content, "INPUT.FORMAT", "BGR"))
    mean, std = model("PIXEL_MEAN", [103.53, 116.28, 123.675]), model("PIXEL_STD", [1.0, 1.0, 1.0])
    proposal_features = tuple(model("RPN.IN_FEATURES", ["res4"]))
    levels = len(proposal_features)
    try:
        config = MaskRCNNConfig(
            classes=names,
            pixel_mean=mean,
            pixel_std=std,
            channel_order="L" if len(mean) == 1 else channel_order,
            resnet=ResNetConfig(
                depth=model("RESNETS.DEPTH", 50),
                stem_channels=model("RESNETS.STEM_OUT_CHANNELS", 64),
                res2_channels=model("RESNETS.RES2_OUT_CHANNELS", 256),
                groups=model("RESNETS.NUM_GROUPS", 1),
                width_per_group=model("RESNETS.WIDTH_PER_GROUP", 64),
                stride_in_1x1=model("RESNETS.STRIDE_IN_1X1", True),
                norm="frozen" if model("RESNETS.NORM", "FrozenBN") == "FrozenBN" else "batch",
            ),
            pyramid=PyramidConfig(
                channels=model("FPN.OUT_CHANNELS", 256),
                fuse="sum" if model("FPN.FUSE_TYPE", "sum") == "sum" else "average",
            ),
            anchors=AnchorConfig(
                sizes_px=_per_level(model("ANCHOR_GENERATOR.SIZES", [[32, 64, 128, 256, 512]]), levels),
                aspect_ratios=_per_level(model("ANCHOR_GENERATOR.ASPECT_RATIOS", [[0.5, 1.0, 2.0]]), levels),
                offset=model("ANCHOR_GENERATOR.OFFSET", 0.0),
            ),
            proposals=ProposalConfig(
                features=proposal_features,
                convolution_channels=model("RPN.CONV_DIMS", [-1]),
                box_weights=model("RPN.BBOX_REG_WEIGHTS", [1.0, 1.0, 1.0, 1.0]),
                nms_iou=model("RPN.NMS_THRESH", 0.7),
                min_size_px=model("PROPOSAL_GENERATOR.MIN_SIZE", 0),
                before_nms=model("RPN.PRE_NMS_TOPK_TEST", 6000),
                after_nms=model("RPN.POST_NMS_TOPK_TEST", 1000),
                before_nms_training=model("RPN.PRE_NMS_TOPK_TRAIN", 12000),
                after_nms_training=model("RPN.POST_NMS_TOPK_TRAIN", 2000),
                samples_per_image=model("RPN.BATCH_SIZE_PER_IMAGE", 256),
                positive_fraction=model("RPN.POSITIVE_FRACTION", 0.5),
                iou_background=model("RPN.IOU_THRESHOLDS", [0.3, 0.7])[0],
                iou_foreground=model("RPN.IOU_THRESHOLDS", [0.3, 0.7])[1],
            ),
            regions=RegionConfig(
                features=tuple(model("ROI_HEADS.IN_FEATURES", ["res4"])),
                score_threshold=model("ROI_HEADS.SCORE_THRESH_TEST", 0.05),
                nms_iou=model("ROI_HEADS.NMS_THRESH_TEST", 0.5),
                detections=_value(content, "TEST.DETECTIONS_PER_IMAGE", 100),
                samples_per_image=model("ROI_HEADS.BATCH_SIZE_PER_IMAGE", 512),
                positive_fraction=model("ROI_HEADS.POSITIVE_FRACTION", 0.25),
                iou_foreground=model("ROI_HEADS.IOU_THRESHOLDS", [0.5])[0],
            ),
            box_head=BoxHeadConfig(
                resolution=model("ROI_BOX_HEAD.POOLER_RESOLUTION", 14),
                sampling=model("ROI_BOX_HEAD.POOLER_SAMPLING_RATIO", 0),
                convolutions=model("ROI_BOX_HEAD.NUM_CONV", 0),
                convolution_channels=model("ROI_BOX_HEAD.CONV_DIM", 256),
                linears=model("ROI_BOX_HEAD.NUM_FC", 0),
                linear_channels=model("ROI_BOX_HEAD.FC_DIM", 1024),
                box_weights=model("ROI_BOX_HEAD.BBOX_REG_WEIGHTS", [10.0, 10.0, 5.0, 5.0]),
                class_agnostic=model("ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG", False),
            ),
            mask_head=MaskHeadConfig(
                resolution=model("ROI_MASK_HEAD.POOLER_RESOLUTION", 14),
                sampling=model("ROI_MASK_HEAD.POOLER_SAMPLING_RATIO", 0),
                convolutions=model("ROI_MASK_HEAD.NUM_CONV", 0),
                channels=model("ROI_MASK_HEAD.CONV_DIM", 256),
                class_agnostic=model("ROI_MASK_HEAD.CLS_AGNOSTIC_MASK", False),
            ),
        )
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UnsupportedNetwork(
            f"This configuration cannot be represented: {place + ': ' if place else ''}{first['msg']}.",
            remedy=f"Only {_PYRAMID} can be read.",
        ) from error
    resize = PredictorScale(
        shortest_px=int(_value(content, "INPUT.MIN_SIZE_TEST", 800)),
        longest_px=int(_value(content, "INPUT.MAX_SIZE_TEST", 1333)),
    )
    return config, resize


def _refuse_what_is_different(content: dict[str, Any]) -> None:
    found: list[str] = []
    whole = _value(content["MODEL"], "META_ARCHITECTURE", "GeneralizedRCNN") == "GeneralizedRCNN"
    for key, default, understood, text in _ONLY if whole else _ONLY[:1]:
        value = _value(content["MODEL"], key, default)
        value = list(value) if isinstance(value, tuple) else value
        if value not in understood:
            found.append(f"{text.format(value=_FULL_NAMES.get(str(value), value))} (MODEL.{key})")
    if whole and any(_value(content["MODEL"], "RESNETS.DEFORM_ON_PER_STAGE", [False])):
        found.append("deformable convolutions (MODEL.RESNETS.DEFORM_ON_PER_STAGE)")
    proposals = _value(content["MODEL"], "RPN.IN_FEATURES", ["res4"])
    if whole and not set(proposals) <= set(FEATURES):
        found.append(f"proposals on {proposals} (MODEL.RPN.IN_FEATURES)")
    if found:
        raise UnsupportedNetwork(
            f"This network cannot be represented: it has {'; '.join(found)}.", remedy=f"Only {_PYRAMID} can be read."
        )


def _value(content: dict[str, Any], key: str, default: Any) -> Any:
    """The value of a dotted key, or the default where any part of it is absent."""
    node: Any = content
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return default
        node = node[part]
    return node


def _per_level(value: Sequence[Any], levels: int) -> Sequence[Any]:
    """Detectron2 takes one list for all levels, or a list of one list, or one list a level."""
    if value and not isinstance(value[0], list | tuple):
        value = [value]
    return list(value) * levels if len(value) == 1 else value
