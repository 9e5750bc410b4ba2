"""Sampling and losses, and what labels that know less than everything teach and do not teach."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.defects.losses import MaskRCNNLoss, allowed_class_loss, mask_on_grid
from training.defects.networks import MaskRCNN, MaskRCNNConfig, compact
from training.defects.networks.config import (
    AnchorConfig,
    BoxHeadConfig,
    MaskHeadConfig,
    ProposalConfig,
    PyramidConfig,
    RegionConfig,
    ResNetConfig,
)
from training.defects.networks.initialisation import initialise, with_classes
from training.defects.sampling import anchor_examples, draw, region_examples, unlabelled_share
from training.defects.targets import Targets, nowhere_labelled, possible_classes

CLASSES = ("loop_111", "loop_100", "black_dot")


def small(classes: tuple[str, ...] = CLASSES) -> MaskRCNNConfig:
    """A network that a test can train."""
    return MaskRCNNConfig(
        classes=classes,
        pixel_mean=(128.0,),
        pixel_std=(57.0,),
        channel_order="L",
        resnet=ResNetConfig(depth=18, stem_channels=16, res2_channels=16, stride_in_1x1=False, norm="batch"),
        pyramid=PyramidConfig(channels=24),
        anchors=AnchorConfig(sizes_px=((12,), (24,), (48,), (96,), (192,))),
        proposals=ProposalConfig(
            before_nms=100, after_nms=50, before_nms_training=100, after_nms_training=50, samples_per_image=64
        ),
        regions=RegionConfig(samples_per_image=32, detections=20),
        box_head=BoxHeadConfig(sampling=2, linear_channels=64),
        mask_head=MaskHeadConfig(sampling=2, convolutions=1, channels=24),
    )


def discs(
    places: list[tuple[int, int, int, str]], side: int = 96, labelled: tuple[str, ...] = CLASSES
) -> tuple[torch.Tensor, Targets]:
    """A grey picture (1, side, side) with dark discs x, y, radius, class; those of labelled classes have labels."""
    y, x = np.mgrid[:side, :side]
    picture = np.full((side, side), 160.0, np.float32)
    boxes, names, masks = [], [], []
    for centre_x, centre_y, radius, name in places:
        inside = (x - centre_x) ** 2 + (y - centre_y) ** 2 <= radius**2
        picture[inside] = 60.0
        if name in labelled:
            boxes.append([centre_x - radius, centre_y - radius, centre_x + radius + 1, centre_y + radius + 1])
            names.append([name])
            masks.append(inside)
    targets = Targets(
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        possible=possible_classes(names, CLASSES),
        masks=torch.from_numpy(np.array(masks, bool).reshape(-1, side, side)),
        outlined=torch.ones(len(boxes), dtype=torch.bool),
        unlabelled=nowhere_labelled(labelled, CLASSES, side, side),
    )
    return torch.from_numpy(picture)[None], targets


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


# ------------------------------------------------------------------------------------------------ what may be where


def test_share_of_a_box_that_is_unlabelled() -> None:
    unlabelled = torch.zeros(2, 10, 20, dtype=torch.bool)
    unlabelled[1, :, 10:] = True
    boxes = torch.tensor([[0, 0, 4, 4], [8, 0, 12, 10], [12, 2, 20, 8], [15, 0, 99, 99], [-9, -9, -1, -1]]).float()
    share = unlabelled_share(unlabelled, boxes)
    assert share[:, 0].tolist() == [0, 0, 0, 0, 0]
    assert share[:, 1].tolist() == [0, 0.5, 1, 1, 0]


def test_an_unlabelled_place_gives_no_negative_anchors() -> None:
    _, targets = discs([(20, 20, 6, "loop_111")])
    half = targets.unlabelled.clone()
    half[2, :, 48:] = True
    targets = Targets(targets.boxes, targets.possible, targets.masks, targets.outlined, half)
    grid = torch.arange(0, 88, 4).float()
    corner = torch.cartesian_prod(grid, grid)
    anchors = torch.cat([corner, corner + 12], dim=1)
    examples = anchor_examples(anchors, targets, ProposalConfig(samples_per_image=1000), generator())
    assert len(examples.positive) >= 1
    assert torch.equal(examples.boxes, targets.boxes[:1].expand(len(examples.positive), 4))
    negatives = anchors[examples.negative]
    assert len(negatives) > 50
    # At most a pixel of the twelve may reach into the half that was not looked at for black dots.
    assert float(negatives[:, 2].max()) <= 49


def test_regions_may_be_what_was_not_looked_for() -> None:
    _, targets = discs([(20, 20, 6, "loop_111"), (70, 70, 6, "black_dot")], labelled=("loop_111",))
    proposals = torch.tensor([[14.0, 14, 27, 27], [64, 64, 77, 77], [40, 40, 50, 50]])
    examples = region_examples(proposals, targets, RegionConfig(), generator())
    pairs = zip(examples.boxes.tolist(), examples.allowed.tolist(), strict=True)
    by_place = {(box[0], box[1]): allowed for box, allowed in pairs}
    # A labelled loop is a loop; the rest is anything but a ⟨111⟩ loop.
    assert by_place[(14.0, 14.0)] == [True, False, False, False]
    assert by_place[(64.0, 64.0)] == by_place[(40.0, 40.0)] == [False, True, True, True]
    # The labelled box itself is an example, too.
    assert examples.target.tolist() == [0, 0]


def test_a_loop_of_unknown_type_may_be_any_loop() -> None:
    possible = possible_classes([["loop_111", "loop_100"], ["black_dot"]], CLASSES)
    assert possible.tolist() == [[True, True, False], [False, False, True]]
    with pytest.raises(ValueError, match="cavity"):
        possible_classes([["cavity"]], CLASSES)


def test_where_anything_may_be_nothing_is_learned() -> None:
    _, targets = discs([], labelled=())
    assert bool(targets.unlabelled.all())
    anchors = torch.tensor([[0.0, 0, 12, 12], [30, 30, 60, 60]])
    examples = anchor_examples(anchors, targets, ProposalConfig(), generator())
    assert (len(examples.positive), len(examples.negative)) == (0, 0)
    assert len(region_examples(anchors, targets, RegionConfig(), generator()).boxes) == 0


def test_a_picture_without_defects_is_all_background() -> None:
    _, targets = discs([])
    anchors = torch.tensor([[0.0, 0, 12, 12], [30, 30, 60, 60]])
    assert len(anchor_examples(anchors, targets, ProposalConfig(), generator()).negative) == 2
    allowed = region_examples(anchors, targets, RegionConfig(), generator()).allowed
    assert allowed.tolist() == [[False, False, False, True]] * 2


def test_examples_are_drawn_in_proportion_and_by_seed() -> None:
    positive = torch.arange(1000) < 400
    first, second = draw(positive, ~positive, 100, 0.25, generator())
    assert (len(first), len(second)) == (25, 75)
    assert bool(positive[first].all())
    assert not bool(positive[second].any())
    again = draw(positive, ~positive, 100, 0.25, generator())
    assert torch.equal(first, again[0])
    assert torch.equal(second, again[1])
    assert not torch.equal(first, draw(positive, ~positive, 100, 0.25, torch.Generator().manual_seed(1))[0])
    few = torch.arange(1000) < 3
    assert [len(part) for part in draw(few, ~few, 100, 0.25, generator())] == [3, 97]


def test_labels_that_do_not_fit_are_refused() -> None:
    _, good = discs([(20, 20, 6, "loop_111")])
    for change in (
        {"boxes": good.boxes[:, :3]},
        {"boxes": good.boxes[:, [2, 3, 0, 1]]},
        {"possible": torch.zeros(1, 3, dtype=torch.bool)},
        {"masks": good.masks[:, :5]},
        {"outlined": good.outlined[:0]},
    ):
        with pytest.raises(ValueError, match=r"labelled defect|do not fit"):
            Targets(**{**vars(good), **change})


# ------------------------------------------------------------------------------------------------ the class loss


def test_with_one_allowed_class_it_is_the_cross_entropy() -> None:
    logits = torch.randn(6, 4, generator=generator())
    truth = torch.tensor([0, 1, 2, 3, 3, 0])
    allowed = torch.nn.functional.one_hot(truth, 4).bool()
    expected = torch.nn.functional.cross_entropy(logits, truth)
    torch.testing.assert_close(allowed_class_loss(logits, allowed), expected)


def test_allowed_classes_share_the_blame() -> None:
    logits = torch.tensor([[math.log(0.5), math.log(0.3), math.log(0.1), math.log(0.1)]], requires_grad=True)
    allowed = torch.tensor([[False, True, False, True]])
    loss = allowed_class_loss(logits, allowed)
    assert float(loss.detach()) == pytest.approx(-math.log(0.4))
    loss.backward()
    assert logits.grad is not None
    # Pushed away from what it cannot be; towards what it may be in proportion to what is already believed.
    gradient = logits.grad[0].tolist()
    assert gradient == pytest.approx([0.5, 0.3 - 0.75, 0.1, 0.1 - 0.25])
    everything = torch.ones(1, 4, dtype=torch.bool)
    assert float(allowed_class_loss(logits, everything).detach()) == pytest.approx(0.0, abs=1e-6)
    assert float(allowed_class_loss(torch.zeros(0, 4), torch.zeros(0, 4, dtype=torch.bool))) == 0.0


# ------------------------------------------------------------------------------------------------ masks


def test_a_mask_is_seen_through_its_box() -> None:
    mask = torch.zeros(40, 60, dtype=torch.bool)
    mask[10:20, 20:40] = True
    own = mask_on_grid(mask, torch.tensor([20.0, 10.0, 40.0, 20.0]), 28)
    assert own.shape == (1, 28, 28)
    assert bool(own.all())
    wide = mask_on_grid(mask, torch.tensor([10.0, 10.0, 50.0, 20.0]), 28)[0]
    # The middle half of the columns.
    assert torch.equal(wide, (torch.arange(28) >= 7)[None] & (torch.arange(28) < 21)[None].expand(28, 28))
    outside = mask_on_grid(mask, torch.tensor([-5.0, -5.0, 4.0, 5.0]), 28)
    assert not bool(outside.any())


def test_a_mask_at_the_frame_goes_on_beyond_it() -> None:
    mask = torch.ones(16, 16, dtype=torch.bool)
    assert bool(mask_on_grid(mask, torch.tensor([-4.0, 8.0, 8.0, 20.0]), 14).all())


# ------------------------------------------------------------------------------------------------ training


def gradients(network: MaskRCNN) -> dict[str, float]:
    return {
        name: 0.0 if parameter.grad is None else float(parameter.grad.abs().max())
        for name, parameter in network.named_parameters()
    }


def test_every_weight_learns_and_the_seed_decides() -> None:
    network = MaskRCNN(small()).train()
    initialise(network, seed=1)
    image, targets = discs([(25, 25, 7, "loop_111"), (70, 60, 10, "black_dot")])
    images = torch.stack([image, image])
    losses = MaskRCNNLoss(network.config, seed=5)(network, images, [targets, targets])
    assert set(losses.numbers()) == {"objectness", "anchor_box", "region_class", "region_box", "region_mask"}
    assert all(math.isfinite(value) and value > 0 for value in losses.numbers().values())
    assert float(losses.total().detach()) == pytest.approx(sum(losses.numbers().values()), rel=1e-5)
    losses.total().backward()
    # The gradient of a bias may add up to nothing: a box is too wide here and too narrow there.
    assert {name for name, value in gradients(network).items() if value == 0.0 and name.endswith("weight")} == set()
    network.eval()
    with torch.no_grad():
        first, second, other = (
            MaskRCNNLoss(network.config, seed=seed)(network, images, [targets, targets]).numbers() for seed in (5, 5, 6)
        )
    assert first == second != other


def test_boxes_without_outlines_teach_no_mask() -> None:
    network = MaskRCNN(small()).train()
    initialise(network, seed=1)
    image, targets = discs([(25, 25, 7, "loop_111")])
    unknown = Targets(**{**vars(targets), "outlined": torch.zeros(1, dtype=torch.bool)})
    losses = MaskRCNNLoss(network.config)(network, image[None], [unknown])
    assert float(losses.region_mask.detach()) == 0.0
    losses.total().backward()
    found = gradients(network)
    assert all(value == 0.0 for name, value in found.items() if name.startswith("mask_head."))
    assert found["box_head.logits.weight"] > 0.0


def test_nothing_known_nothing_learned() -> None:
    network = MaskRCNN(small()).train()
    initialise(network, seed=1)
    image, targets = discs([], labelled=())
    losses = MaskRCNNLoss(network.config)(network, image[None], [targets])
    losses.total().backward()
    assert set(gradients(network).values()) == {0.0}


def test_unlabelled_dots_do_not_become_background() -> None:
    """A few steps of training on a picture whose dots have no labels: told so, the network keeps believing in dots."""
    image, full = discs([(25, 25, 7, "loop_111"), (70, 60, 10, "black_dot")])
    region = full.boxes[1:]
    beliefs = {}
    for labelled in (CLASSES, ("loop_111",)):
        network = MaskRCNN(small()).train()
        initialise(network, seed=2)
        loss = MaskRCNNLoss(network.config, seed=0)
        optimiser = torch.optim.SGD(network.box_head.parameters(), lr=0.01)
        one_label = Targets(
            full.boxes[:1], full.possible[:1], full.masks[:1], full.outlined[:1],
            nowhere_labelled(labelled, CLASSES, 96, 96),
        )  # fmt: skip
        for _ in range(10):
            optimiser.zero_grad()
            loss(network, image[None], [one_label]).region_class.backward()
            optimiser.step()
        with torch.no_grad():
            pooled = network.box_pool(network.features(image[None]), region, torch.zeros(1, dtype=torch.int64))
            beliefs[labelled] = torch.softmax(network.box_head(pooled)[0], dim=1)[0]
    assert float(beliefs[CLASSES][2]) < 0.15 < float(beliefs[("loop_111",)][2])
    assert float(beliefs[("loop_111",)][0]) < 0.25


def test_overfits_one_picture() -> None:
    """The whole way once: from random weights to the discs of one picture, their places, classes and masks."""
    torch.manual_seed(0)
    places = [(20, 22, 7, "loop_111"), (66, 30, 12, "loop_100"), (40, 70, 9, "black_dot")]
    image, targets = discs(places)
    # Each class has its own grey, so that there is something to tell them apart by.
    for mask, grey in zip(targets.masks, (40.0, 90.0, 230.0), strict=True):
        image[0, mask] = grey
    network = MaskRCNN(small()).train()
    initialise(network, seed=3)
    loss = MaskRCNNLoss(network.config, seed=0)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    images = torch.stack([image, image.flip(-1)])
    mirrored = Targets(
        torch.stack([96 - targets.boxes[:, 2], targets.boxes[:, 1], 96 - targets.boxes[:, 0], targets.boxes[:, 3]], 1),
        targets.possible, targets.masks.flip(-1), targets.outlined, targets.unlabelled,
    )  # fmt: skip
    totals = []
    for _ in range(90):
        optimiser.zero_grad()
        total = loss(network, images, [targets, mirrored]).total()
        total.backward()
        optimiser.step()
        totals.append(float(total.detach()))
    assert totals[-1] < totals[0] / 4
    network.eval()
    with torch.inference_mode():
        boxes, scores, classes, masks = network(image)
    sure = scores > 0.5
    assert sorted(classes[sure].tolist()) == [0, 1, 2]
    for number, box, mask in zip(classes[sure].tolist(), boxes[sure], masks[sure], strict=True):
        assert float((box - targets.boxes[number]).abs().max()) < 4.0
        # A disc fills π/4 of its box.
        assert 0.6 < float((mask > 0.5).float().mean()) < 0.95


# ------------------------------------------------------------------------------------------------ other classes


def test_retraining_for_other_classes_keeps_what_is_known() -> None:
    before = MaskRCNN(compact(CLASSES))
    initialise(before, seed=4)
    after = with_classes(before, ["black_dot", "cavity"], seed=5)
    assert after.config.classes == ("black_dot", "cavity")
    old, new = before.state_dict(), after.state_dict()
    for name in old:
        if not name.startswith(("box_head.logits", "box_head.corrections", "mask_head.logits")):
            assert torch.equal(old[name], new[name]), name
    assert torch.equal(new["box_head.logits.weight"][[0, 2]], old["box_head.logits.weight"][[2, 3]])
    assert torch.equal(new["box_head.corrections.weight"][:4], old["box_head.corrections.weight"][8:12])
    assert torch.equal(new["mask_head.logits.weight"][0], old["mask_head.logits.weight"][2])
    assert not bool((new["mask_head.logits.weight"][1] == old["mask_head.logits.weight"][1]).any())
