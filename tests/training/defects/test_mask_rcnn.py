"""The network itself: every depth, every size of picture, frozen and trained norms, its configuration."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from training.defects.networks import MaskRCNN, MaskRCNNConfig, compact
from training.defects.networks.anchors import Anchors
from training.defects.networks.config import (
    AnchorConfig,
    BoxHeadConfig,
    MaskHeadConfig,
    ProposalConfig,
    PyramidConfig,
    RegionConfig,
    ResNetConfig,
)
from training.defects.networks.heads import DetectionChoice
from training.defects.networks.resnet import FrozenBatchNorm


def narrow(depth: int = 18, **changes: object) -> MaskRCNNConfig:
    """A network of the given depth with few channels."""
    resnet = ResNetConfig(depth=depth, stem_channels=8, res2_channels=8, width_per_group=4)  # type: ignore[arg-type]
    return MaskRCNNConfig(
        classes=("loop", "dot"),
        resnet=resnet,
        pyramid=PyramidConfig(channels=8),
        proposals=ProposalConfig(before_nms=50, after_nms=30),
        regions=RegionConfig(score_threshold=0.0, detections=20),
        box_head=BoxHeadConfig(linear_channels=16),
        mask_head=MaskHeadConfig(channels=8, convolutions=1),
    ).model_copy(update=changes)


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_every_depth_answers_and_compiles(depth: int, micrograph: np.ndarray) -> None:
    network = MaskRCNN(narrow(depth)).eval()
    image = torch.from_numpy(micrograph)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(network)
    with torch.inference_mode():
        eager, compiled = network(image), scripted(image)
    assert len(eager[0]) > 0
    for ours, theirs in zip(eager, compiled, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 47), (64, 200)])
def test_any_size_of_picture(height: int, width: int) -> None:
    with torch.inference_mode():
        boxes, scores, classes, masks = MaskRCNN(narrow()).eval()(torch.full((3, height, width), 90.0))
    count = len(boxes)
    assert count > 0
    assert (scores.shape, classes.shape, masks.shape) == ((count,), (count,), (count, 28, 28))
    assert float(boxes.min()) >= 0.0
    assert float(boxes[:, 2].max()) <= width
    assert float(boxes[:, 3].max()) <= height
    assert torch.equal(scores, scores.sort(descending=True)[0])
    assert 0.0 <= float(masks.min()) <= float(masks.max()) <= 1.0
    assert set(classes.tolist()) <= {0, 1}


@pytest.mark.parametrize("score", ["class", "defect"])
def test_a_score_is_that_of_the_class_or_of_any_class(score: str) -> None:
    config = narrow(regions=RegionConfig.model_validate({"score": score, "score_threshold": 0.3, "detections": 20}))
    proposals = torch.tensor([[0.0, 0, 20, 20], [40, 40, 60, 60]])
    probabilities = torch.tensor([[0.4, 0.5, 0.1], [0.15, 0.2, 0.65]])
    answer = DetectionChoice(config)(probabilities.log(), torch.zeros(2, 8), proposals, torch.full((4,), 100.0))
    boxes, scores, classes = answer
    if score == "class":
        assert (boxes[:, 0].tolist(), classes.tolist()) == ([0, 0], [1, 0])
        assert scores.tolist() == pytest.approx([0.5, 0.4])
    else:
        assert (boxes[:, 0].tolist(), classes.tolist()) == ([0, 40], [1, 1])
        assert scores.tolist() == pytest.approx([0.9, 0.35])


def test_masks_and_boxes_may_be_shared_by_all_classes() -> None:
    config = narrow(
        box_head=BoxHeadConfig(linear_channels=16, class_agnostic=True),
        mask_head=MaskHeadConfig(channels=8, class_agnostic=True),
    )
    network = MaskRCNN(config).eval()
    assert network.box_head.corrections.out_features == 4
    assert network.mask_head.logits.out_channels == 1
    with torch.inference_mode():
        assert network(torch.full((3, 40, 40), 90.0))[3].shape[1:] == (28, 28)


def test_frozen_norms_never_change_and_trained_ones_do() -> None:
    image = torch.rand(2, 1, 64, 64) * 255
    trained = MaskRCNN(compact(("loop",))).train()
    norms = [module for module in trained.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert not any(isinstance(norm, FrozenBatchNorm) for norm in norms)
    trained.backbone.bottom.freeze(2)
    frozen = [module for module in trained.modules() if isinstance(module, FrozenBatchNorm)]
    # The stem, and two blocks of two convolutions.
    assert len(frozen) == 5
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    trained.train()
    sum(level.square().mean() for level in trained.features(image)).backward()
    after = trained.state_dict()
    for name, tensor in before.items():
        if "running_mean" in name:
            fixed = name.startswith(("backbone.bottom.stem", "backbone.bottom.stages.0"))
            assert torch.equal(tensor, after[name]) == fixed, name
    for name, parameter in trained.backbone.bottom.named_parameters():
        assert (parameter.grad is None) == name.startswith(("stem", "stages.0")), name


def test_freezing_changes_no_answer(micrograph: np.ndarray) -> None:
    network = MaskRCNN(compact(("loop", "dot"))).eval()
    image = torch.from_numpy(micrograph[:1])
    with torch.inference_mode():
        before = network.features(image[None])
        network.backbone.bottom.freeze(5)
        after = network.features(image[None])
    for ours, theirs in zip(before, after, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_compact_network_is_compact() -> None:
    network = MaskRCNN(compact(("loop_111", "loop_100", "black_dot")))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert 3e6 < parameters < 6e6
    assert network.config.input_channels == 1
    assert [sizes[0] for sizes in network.config.anchors.sizes_px] == [12, 24, 48, 96, 192]


def test_anchors_have_their_size_shape_and_place() -> None:
    config = AnchorConfig(sizes_px=((16,), (32,)), aspect_ratios=((0.5, 1.0),) * 2, offset=0.5)
    fine, coarse = Anchors(config, ("p3", "p4"))([torch.zeros(1, 1, 3, 5), torch.zeros(1, 1, 2, 3)])
    assert (fine.shape, coarse.shape) == ((3 * 5 * 2, 4), (2 * 3 * 2, 4))
    width, height = fine[:, 2] - fine[:, 0], fine[:, 3] - fine[:, 1]
    torch.testing.assert_close(width * height, torch.full_like(width, 256.0))
    torch.testing.assert_close((height / width)[:2], torch.tensor([0.5, 1.0]))
    # Second row, third column, of stride 8, half a stride off the corner.
    place = fine[(1 * 5 + 2) * 2]
    assert ((place[:2] + place[2:]) / 2).tolist() == [20.0, 12.0]


def test_a_configuration_survives_json_and_refuses_nonsense() -> None:
    config = compact(("loop_111", "black_dot"))
    assert MaskRCNNConfig.model_validate_json(config.model_dump_json()) == config
    for change in (
        {"classes": ()},
        {"pixel_mean": (1.0, 2.0)},
        {"channel_order": "RGB"},
        {"anchors": AnchorConfig(sizes_px=((8,), (16,)), aspect_ratios=((1.0,),) * 2)},
        {"regions": RegionConfig(features=("p2", "p6"))},
        {"proposals": ProposalConfig(features=("p2", "p4", "p5", "p5", "p6"))},
        {"unknown": 1},
    ):
        with pytest.raises(ValidationError):
            MaskRCNNConfig(**{**dict(config), **change})
    with pytest.raises(ValidationError, match="grouped"):
        ResNetConfig(depth=18, groups=2)
