"""The network's answer → measured defects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.defects.instances import Detection, box_of, measured
from analysis.defects.postprocess import NetworkOutput, detections, without_repeats
from analysis.masks import Mask, encode
from analysis.overlaps import iou

NAMES = ("loop_111", "black_dot")


def disc(radius: float = 14, cells: int = 28) -> np.ndarray:
    """Soft map of a disc that fills its box."""
    at = np.arange(cells) - (cells - 1) / 2
    return 1 / (1 + np.exp(np.hypot(at[:, None], at) - radius))


def output(*found: tuple[tuple[float, ...], int, float]) -> NetworkOutput:
    """Discs in boxes, with class and score."""
    return NetworkOutput(
        boxes=np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
        classes=np.array([index for _, index, _ in found], np.int64),
        scores=np.array([score for _, _, score in found], np.float32),
        masks=np.stack([disc() for _ in found])[:, None] if found else np.zeros((0, 1, 28, 28)),
    )


def test_detections_come_the_surest_first_and_without_the_unsure() -> None:
    found = detections(
        output(((10, 10, 30, 30), 0, 0.6), ((50, 50, 70, 74), 1, 0.9), ((80, 80, 90, 90), 0, 0.4)), NAMES, 100, 100
    )
    assert [(d.class_name, round(d.score, 3)) for d in found] == [("black_dot", 0.9), ("loop_111", 0.6)]
    assert found[1].box == pytest.approx((9.5, 9.5, 29.5, 29.5))


def test_a_disc_in_its_box_is_measured_as_one() -> None:
    (instance,) = measured(detections(output(((10, 10, 31, 31), 1, 0.9)), NAMES, 100, 100), 100, 100)
    assert instance.shape.equivalent_diameter_px == pytest.approx(21, rel=0.02)
    assert instance.size_px == pytest.approx(21, rel=0.02)
    assert instance.shape.heywood == pytest.approx(1, abs=0.01)
    assert (instance.shape.x_px, instance.shape.y_px) == pytest.approx((20, 20), abs=0.01)
    assert instance.size_nm is None
    assert not instance.touches_edge


def test_size_is_the_major_axis_of_loops_and_the_mean_axis_of_black_dots() -> None:
    raw = output(((10, 10, 50, 30), 0, 0.9), ((10, 60, 50, 80), 1, 0.8))
    loop, dot = measured(detections(raw, NAMES, 100, 100), 100, 100, pixel_size_nm=(0.5, 0.5))
    assert loop.size_px == pytest.approx(40, rel=0.02)
    assert loop.size_nm == pytest.approx(20, rel=0.02)
    assert dot.size_px == pytest.approx(np.sqrt(40 * 20), rel=0.02)
    assert dot.size_nm == pytest.approx(0.5 * dot.size_px)


def test_a_resampled_picture_gives_masks_in_its_own_pixels() -> None:
    plain = detections(output(((10, 20, 40, 60), 0, 0.9)), NAMES, 100, 100)
    scaled = detections(output(((20, 10, 80, 30), 0, 0.9)), NAMES, 100, 100, scale_x=2, scale_y=0.5)
    assert scaled[0].mask == plain[0].mask
    assert scaled[0].box == plain[0].box


def test_a_defect_cut_by_the_frame_touches_the_edge() -> None:
    cut, whole = measured(
        detections(output(((80, 10, 100, 30), 0, 0.9), ((60, 10, 79, 30), 0, 0.8)), NAMES, 100, 100), 100, 100
    )
    assert cut.touches_edge
    assert not whole.touches_edge


def test_nothing_found_and_nothing_in_a_mask() -> None:
    assert detections(output(), NAMES, 100, 100) == []
    empty = NetworkOutput(np.array([[1.0, 1, 9, 9]]), np.array([0]), np.array([0.9]), np.zeros((1, 28, 28)))
    assert detections(empty, NAMES, 100, 100) == []


def test_an_answer_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="class 2"):
        detections(output(((1, 1, 9, 9), 2, 0.9)), NAMES, 100, 100)
    with pytest.raises(ValueError, match="same number"):
        NetworkOutput(np.zeros((2, 4)), np.zeros(2, int), np.zeros(3), np.zeros((2, 28, 28)))


def test_a_defect_answered_once_per_class_is_kept_once() -> None:
    raw = output(((10, 10, 30, 30), 0, 0.6), ((11, 10, 31, 30), 1, 0.9), ((22, 10, 42, 30), 0, 0.5))
    kept = without_repeats(detections(raw, NAMES, 100, 100))
    assert [(d.class_name, round(d.score, 2)) for d in kept] == [("black_dot", 0.9), ("loop_111", 0.5)]


def test_what_only_a_repeat_shadows_is_kept() -> None:
    # the middle one repeats the first; the last overlaps the middle one only
    found = [
        Detection("loop_111", score, box_of(mask), mask)
        for score, mask in ((0.9, bar(0)), (0.8, bar(3)), (0.7, bar(6)))
    ]
    assert iou(found[0].mask, found[1].mask) > 0.5 > iou(found[0].mask, found[2].mask)
    assert without_repeats(found) == [found[0], found[2]]
    assert without_repeats([]) == []


def bar(x: int) -> Mask:
    """A bar of 12 px from a column on."""
    return encode(np.ones((5, 12)), x_px=x, y_px=4)


def test_detections_of_detectron2_are_all_there(shared_data: Path) -> None:
    reference = np.load(shared_data / "detectron2_reference" / "fecral_512.npz")
    raw = NetworkOutput(reference["boxes"], reference["classes"], reference["scores"], reference["mask_probabilities"])
    found = detections(raw, ("a", "b", "c"), 512, 512, score=0.0)
    pasted = np.unpackbits(reference["pasted_masks"], axis=-1).astype(bool)
    assert sum(d.mask.area_px for d in found) == pasted.sum()
    instances = measured(found, 512, 512, pixel_size_nm=(0.4, 0.4))
    assert all(instance.shape.heywood >= 0.999 for instance in instances)
    assert all(instance.size_nm == pytest.approx(0.4 * instance.size_px) for instance in instances)
