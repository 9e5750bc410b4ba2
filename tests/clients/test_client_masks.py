"""Masks of defects: the pixels that the run lengths say, alone and in one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from emserve import DefectsResult, InvalidParameter
from emserve.masks import decode, encode, label_picture, outlines, paste
from emserve.results import DefectMask
from emserve.testing import defects_result

GOLDEN = Path(__file__).parent / "golden" / "defects_1.1.json"

pictures = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


def test_run_lengths_go_down_the_columns_and_begin_with_background() -> None:
    mask = DefectMask(x_px=7, y_px=3, width_px=3, height_px=2, counts=[1, 3, 2])
    np.testing.assert_array_equal(decode(mask), [[False, True, False], [True, True, False]])
    first_is_set = DefectMask(x_px=0, y_px=0, width_px=2, height_px=1, counts=[0, 2])
    np.testing.assert_array_equal(first_is_set.decode(), [[True, True]])


@given(pictures)
def test_a_mask_comes_back_in_its_place(pixels: np.ndarray) -> None:
    if not pixels.any():
        with pytest.raises(ValueError, match="empty"):
            encode(pixels)
        return
    mask = encode(pixels)
    np.testing.assert_array_equal(paste(mask, *pixels.shape), pixels)
    assert decode(mask).sum() == pixels.sum() == sum(mask.counts[1::2])
    for side in range(2):
        assert decode(mask).any(axis=side)[[0, -1]].all(), "the crop is the smallest"
    assert encode(pixels, x_px=5, y_px=-2).y_px == mask.y_px - 2


@given(pictures, st.integers(-14, 14), st.integers(-14, 14))
def test_what_lies_outside_the_picture_is_cut_off(pixels: np.ndarray, x: int, y: int) -> None:
    if not pixels.any():
        return
    canvas = np.zeros((40, 40), bool)
    canvas[14 + y : 14 + y + pixels.shape[0], 14 + x : 14 + x + pixels.shape[1]] = pixels
    np.testing.assert_array_equal(paste(encode(pixels, x_px=x, y_px=y), 12, 12), canvas[14:26, 14:26])


def test_of_two_that_overlap_the_smaller_is_seen() -> None:
    small, large = np.zeros((6, 8), bool), np.zeros((6, 8), bool)
    small[2:4, 2:4] = True
    large[1:6, 1:7] = True
    labels = label_picture([encode(small), encode(large)], 6, 8)
    assert labels.dtype == np.uint16
    assert (labels[small] == 1).all()
    assert (labels[large & ~small] == 2).all()
    assert (labels[~large] == 0).all()


def test_more_masks_than_16_bits_are_refused() -> None:
    mask = encode(np.ones((1, 1)))
    with pytest.raises(InvalidParameter, match="65,535"):
        label_picture([mask] * 65_536, 1, 1)


def test_labels_are_the_rows_of_the_table(tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image", reason="the extra `plot` is not installed")
    result = DefectsResult.from_json(GOLDEN)
    result.to_masks(tmp_path / "masks.png")
    with image_module.open(tmp_path / "masks.png") as image:
        assert (image.format, image.mode, image.size) == ("PNG", "I;16", (96, 64))
        labels = np.asarray(image)
    np.testing.assert_array_equal(labels, result.label_picture())
    rows = result.to_csv().splitlines()[1:]
    assert np.unique(labels).tolist() == list(range(len(rows) + 1))
    for index, row in enumerate(rows):
        y, x = np.nonzero(labels == index + 1)
        name, _, x_px, y_px = row.split(",")[:4]
        assert result.defects[index].class_name == name
        assert (x.mean(), y.mean()) == pytest.approx((float(x_px), float(y_px)), abs=0.01)
        np.testing.assert_array_equal(result.mask_of(index), labels == index + 1)


def test_outlines_lie_between_inside_and_outside() -> None:
    pytest.importorskip("contourpy", reason="the extra `plot` is not installed")
    ring = np.zeros((9, 9), bool)
    ring[1:8, 2:7] = True
    ring[4, 4] = False
    outer, hole = sorted(outlines(encode(ring, x_px=100, y_px=50)), key=len, reverse=True)
    assert (outer.min(axis=0), outer.max(axis=0)) == (
        pytest.approx((101.5, 50.5)),
        pytest.approx((106.5, 57.5)),
    )
    assert hole.mean(axis=0) == pytest.approx((104, 54), abs=0.2)
    assert (outer[0] == outer[-1]).all()


def test_the_fakes_discs_are_discs() -> None:
    (dot,) = defects_result([("black_dot", 30.0, 20.0, 12.0)]).defects
    assert dot.area_px == pytest.approx(np.pi * 36, rel=0.05)
    assert (dot.x_nm, dot.size_nm) == (15.0, 6.0)
