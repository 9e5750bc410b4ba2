"""Reading Detectron2's configurations: what is understood, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from emserve.exceptions import InvalidParameter
from training.defects.networks.detectron2_config import UnsupportedNetwork, parse_config, read_config


def changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for key, value in changes.items():
        node = config
        *path, last = key.split(".")
        for part in path:
            node = node[part]
        node[last] = value
    return config


def test_the_reference_is_read_completely(reference_folder: Path) -> None:
    config, scale = read_config(reference_folder / "config.yaml", ["loop_111", "loop_100", "black_dot"])
    assert config.classes == ("loop_111", "loop_100", "black_dot")
    assert (config.resnet.depth, config.resnet.stem_channels, config.resnet.res2_channels) == (50, 16, 32)
    assert config.resnet.stride_in_1x1
    assert config.pyramid.channels == 48
    assert config.anchors.sizes_px == ((32,), (64,), (128,), (256,), (512,))
    assert config.anchors.aspect_ratios == ((0.5, 1.0, 2.0),) * 5
    assert (config.proposals.before_nms, config.proposals.after_nms) == (1000, 1000)
    assert (config.proposals.before_nms_training, config.regions.detections) == (2000, 100)
    assert (config.box_head.linear_channels, config.mask_head.channels) == (96, 32)
    assert (scale.shortest_px, scale.longest_px) == (0, 1333)


def test_absent_keys_have_the_defaults_of_detectron2() -> None:
    short = {
        "MODEL": {
            "MASK_ON": True,
            "BACKBONE": {"NAME": "build_resnet_fpn_backbone"},
            "RESNETS": {"OUT_FEATURES": ["res2", "res3", "res4", "res5"]},
            "FPN": {"IN_FEATURES": ["res2", "res3", "res4", "res5"]},
            "RPN": {"IN_FEATURES": ["p2", "p3", "p4", "p5", "p6"]},
            "ROI_HEADS": {"NAME": "StandardROIHeads", "IN_FEATURES": ["p2", "p3", "p4", "p5"]},
            "ROI_BOX_HEAD": {"NAME": "FastRCNNConvFCHead", "NUM_FC": 2, "POOLER_RESOLUTION": 7},
        }
    }
    config, scale = parse_config(short)
    assert len(config.classes) == 80
    assert config.anchors.sizes_px == ((32, 64, 128, 256, 512),) * 5
    assert config.anchors_per_place == 15
    assert (config.proposals.before_nms, config.proposals.after_nms) == (6000, 1000)
    assert config.mask_head.convolutions == 0
    assert (scale.shortest_px, scale.longest_px) == (800, 1333)


def test_any_number_of_classes_and_any_anchors(detectron2_config: dict[str, Any]) -> None:
    changes = {
        "MODEL.ROI_HEADS.NUM_CLASSES": 7,
        "MODEL.ANCHOR_GENERATOR.SIZES": [[8, 12], [16, 24], [32, 48], [64, 96], [128, 192]],
        "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS": [0.25, 0.5, 1.0, 2.0, 4.0],
        "MODEL.ANCHOR_GENERATOR.OFFSET": 0.5,
        "MODEL.RPN.CONV_DIMS": [32, -1],
        "MODEL.ROI_BOX_HEAD.NUM_CONV": 2,
        "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG": True,
        "MODEL.ROI_MASK_HEAD.CLS_AGNOSTIC_MASK": True,
        "MODEL.PIXEL_MEAN": [120.0],
        "MODEL.PIXEL_STD": [50.0],
    }
    config, _ = parse_config(changed(detectron2_config, changes))
    assert config.classes[6] == "class_6"
    assert config.anchors_per_place == 10
    assert config.input_channels == 1
    assert config.proposals.convolution_channels == (32, -1)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"MODEL.META_ARCHITECTURE": "RetinaNet"}, "RetinaNet"),
        ({"MODEL.META_ARCHITECTURE": "PanopticFPN"}, "PanopticFPN"),
        ({"MODEL.BACKBONE.NAME": "build_resnet_backbone", "MODEL.ROI_HEADS.NAME": "Res5ROIHeads"}, "C4"),
        ({"MODEL.BACKBONE.NAME": "build_resnet_backbone", "MODEL.RESNETS.RES5_DILATION": 2}, "DC5"),
        ({"MODEL.BACKBONE.NAME": "build_retinanet_resnet_fpn_backbone"}, "build_retinanet_resnet_fpn_backbone"),
        ({"MODEL.BACKBONE.NAME": "build_swint_fpn_backbone"}, "build_swint_fpn_backbone"),
        ({"MODEL.ROI_HEADS.NAME": "CascadeROIHeads"}, "Cascade R-CNN"),
        ({"MODEL.ROI_HEADS.NAME": "PointRendROIHeads"}, "PointRend"),
        ({"MODEL.RESNETS.NORM": "GN"}, "group norm"),
        ({"MODEL.FPN.NORM": "GN"}, "group norm"),
        ({"MODEL.ROI_BOX_HEAD.NORM": "GN"}, "group norm"),
        ({"MODEL.ROI_MASK_HEAD.NORM": "GN"}, "group norm"),
        ({"MODEL.RESNETS.DEFORM_ON_PER_STAGE": [False, True, True, True]}, "deformable"),
        ({"MODEL.KEYPOINT_ON": True}, "keypoints"),
        ({"MODEL.MASK_ON": False}, "Faster R-CNN"),
        ({"MODEL.LOAD_PROPOSALS": True}, "Fast R-CNN"),
        ({"MODEL.PROPOSAL_GENERATOR.NAME": "RRPN"}, "RRPN"),
        ({"MODEL.ANCHOR_GENERATOR.NAME": "RotatedAnchorGenerator"}, "RotatedAnchorGenerator"),
        ({"MODEL.ROI_MASK_HEAD.NAME": "PointRendMaskHead"}, "PointRend"),
        ({"MODEL.ROI_BOX_HEAD.POOLER_TYPE": "ROIPool"}, "ROIPool"),
        ({"MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE": True}, "sigmoid"),
        ({"MODEL.FPN.IN_FEATURES": ["res3", "res4", "res5"]}, "a pyramid on"),
        ({"MODEL.RPN.IN_FEATURES": ["p2", "p4"]}, "neighbouring"),
    ],
)
def test_other_networks_are_refused_by_name(
    detectron2_config: dict[str, Any], changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(UnsupportedNetwork, match=named) as caught:
        parse_config(changed(detectron2_config, changes))
    assert "feature pyramid" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("_BASE_: ../Base-RCNN-FPN.yaml\nMODEL: {MASK_ON: true}\n", "Base-RCNN-FPN"),
        ("model: {_target_: detectron2.modeling.GeneralizedRCNN}\n", "no MODEL"),
        ("MODEL: [\n", "cannot be read"),
        ("just text", "no MODEL"),
    ],
)
def test_files_that_are_no_complete_configuration(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidParameter, match=named):
        read_config(tmp_path / "config.yaml")
    with pytest.raises(InvalidParameter, match="cannot be read"):
        read_config(tmp_path / "absent.yaml")


def test_names_must_fit_the_classes(detectron2_config: dict[str, Any]) -> None:
    for names in (["loop"], ["loop", "loop", "dot"]):
        with pytest.raises(InvalidParameter, match="3 classes"):
            parse_config(yaml.safe_load(yaml.safe_dump(detectron2_config)), names)
