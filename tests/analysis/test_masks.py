"""Masks: cropped, run-length encoded, compared without decoding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from analysis.masks import (
    EMPTY,
    Mask,
    clipped,
    decode,
    encode,
    intersection_px,
    iou,
    meeting_boxes,
    overlaps,
    union,
)

small = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))
offsets = st.tuples(st.integers(-4, 6), st.integers(-4, 6))


def on_canvas(mask: Mask, size: int = 30, origin: int = 10) -> np.ndarray:
    """A mask's pixels on a canvas whose pixel (origin, origin) is (0, 0)."""
    canvas = np.zeros((size, size), bool)
    y, x = mask.y_px + origin, mask.x_px + origin
    canvas[y : y + mask.height_px, x : x + mask.width_px] = decode(mask)
    return canvas


@settings(max_examples=40)
@given(small, offsets)
def test_decoding_gives_the_pixels_back(pixels: np.ndarray, offset: tuple[int, int]) -> None:
    mask = encode(pixels, x_px=offset[0], y_px=offset[1])
    expected = np.zeros((30, 30), bool)
    expected[10 + offset[1] :, 10 + offset[0] :][: pixels.shape[0], : pixels.shape[1]] = pixels
    assert np.array_equal(on_canvas(mask), expected)
    assert mask.area_px == pixels.sum()


@settings(max_examples=40)
@given(small)
def test_the_crop_is_tight_and_equal_pixels_give_equal_masks(pixels: np.ndarray) -> None:
    mask = encode(pixels)
    padded = encode(np.pad(pixels, 3), x_px=-3, y_px=-3)
    assert mask == padded
    if pixels.any():
        crop = decode(mask)
        assert crop[0].any()
        assert crop[-1].any()
        assert crop[:, 0].any()
        assert crop[:, -1].any()
    else:
        assert mask == EMPTY


def test_runs_go_down_the_columns_as_cocos_do() -> None:
    mask = encode(np.array([[0, 1, 1], [1, 1, 0]]))
    assert (mask.width_px, mask.height_px, mask.counts) == (3, 2, (1, 4, 1))
    assert encode(np.ones((2, 2))).counts == (0, 4)


@settings(max_examples=40)
@given(small, offsets, small, offsets)
def test_intersection_and_iou_are_those_of_the_pixels(
    a: np.ndarray, a_at: tuple[int, int], b: np.ndarray, b_at: tuple[int, int]
) -> None:
    first, second = encode(a, x_px=a_at[0], y_px=a_at[1]), encode(b, x_px=b_at[0], y_px=b_at[1])
    pixels_a, pixels_b = on_canvas(first), on_canvas(second)
    shared, either = int((pixels_a & pixels_b).sum()), int((pixels_a | pixels_b).sum())
    assert intersection_px(first, second) == shared
    assert iou(first, second) == (shared / either if shared else 0.0)
    assert np.array_equal(on_canvas(union((first, second))), pixels_a | pixels_b)


@settings(max_examples=40)
@given(st.lists(st.tuples(small, offsets), max_size=6), st.lists(st.tuples(small, offsets), max_size=6))
def test_overlaps_lists_every_pair_that_shares_pixels(first: list, second: list) -> None:
    a = [encode(pixels, x_px=x, y_px=y) for pixels, (x, y) in first]
    b = [encode(pixels, x_px=x, y_px=y) for pixels, (x, y) in second]
    i, j, shared = overlaps(a, b)
    found = dict(zip(zip(i.tolist(), j.tolist(), strict=True), shared.tolist(), strict=True))
    expected = {(k, m): intersection_px(x, y) for k, x in enumerate(a) for m, y in enumerate(b)}
    assert found == {pair: count for pair, count in expected.items() if count}


@settings(max_examples=40)
@given(small, offsets, offsets, st.integers(0, 8), st.integers(0, 8))
def test_clipping_keeps_what_is_inside(
    pixels: np.ndarray, at: tuple[int, int], corner: tuple[int, int], width: int, height: int
) -> None:
    mask = encode(pixels, x_px=at[0], y_px=at[1])
    (left, top), canvas = corner, on_canvas(mask)
    window = np.zeros_like(canvas)
    window[10 + top : 10 + top + height, 10 + left : 10 + left + width] = True
    assert np.array_equal(on_canvas(clipped(mask, left, top, left + width, top + height)), canvas & window)


def test_a_mask_far_out_in_a_large_picture_is_compared_exactly() -> None:
    disc = np.hypot(*np.mgrid[-20:21, -20:21]) < 18
    a, b = encode(disc, x_px=60_000, y_px=60_000), encode(disc, x_px=60_007, y_px=60_003)
    near = encode(disc), encode(disc, x_px=7, y_px=3)
    assert iou(a, b) == iou(*near)
    assert 0 < iou(a, b) < 1


def test_more_boxes_than_are_compared_at_once() -> None:
    x = np.arange(1200.0)
    boxes = np.column_stack((x, 0 * x, x + 1.5, 0 * x + 1))
    i, j = meeting_boxes(boxes, boxes)
    assert set(zip(i.tolist(), j.tolist(), strict=True)) == {
        (k, m) for k in range(1200) for m in (k - 1, k, k + 1) if 0 <= m < 1200
    }


def test_touching_the_edge() -> None:
    spot = np.ones((2, 3))
    assert encode(spot, x_px=0, y_px=5).touches_edge(20, 20)
    assert encode(spot, x_px=5, y_px=0).touches_edge(20, 20)
    assert encode(spot, x_px=17, y_px=5).touches_edge(20, 20)
    assert encode(spot, x_px=5, y_px=18).touches_edge(20, 20)
    assert not encode(spot, x_px=1, y_px=1).touches_edge(20, 20)
    assert not EMPTY.touches_edge(20, 20)


def test_runs_that_do_not_fill_the_crop_are_refused() -> None:
    with pytest.raises(ValueError, match="add up to 5"):
        Mask(0, 0, 2, 2, (2, 3))
    with pytest.raises(ValueError, match="negative"):
        Mask(0, 0, 2, 1, (3, -1))
