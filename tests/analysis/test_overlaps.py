"""Which masks share pixels, without decoding them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from analysis.masks import Mask, decode, encode
from analysis.overlaps import intersection_px, iou, meeting_boxes, overlaps

small = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))
offsets = st.tuples(st.integers(-4, 6), st.integers(-4, 6))


def on_canvas(mask: Mask, size: int = 30, origin: int = 10) -> np.ndarray:
    """A mask's pixels on a canvas whose pixel (origin, origin) is (0, 0)."""
    canvas = np.zeros((size, size), bool)
    y, x = mask.y_px + origin, mask.x_px + origin
    canvas[y : y + mask.height_px, x : x + mask.width_px] = decode(mask)
    return canvas


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


@settings(max_examples=40)
@given(st.lists(st.tuples(small, offsets), max_size=6), st.lists(st.tuples(small, offsets), max_size=6))
def test_overlaps_lists_every_pair_that_shares_pixels(first: list, second: list) -> None:
    a = [encode(pixels, x_px=x, y_px=y) for pixels, (x, y) in first]
    b = [encode(pixels, x_px=x, y_px=y) for pixels, (x, y) in second]
    i, j, shared = overlaps(a, b)
    found = dict(zip(zip(i.tolist(), j.tolist(), strict=True), shared.tolist(), strict=True))
    expected = {(k, m): intersection_px(x, y) for k, x in enumerate(a) for m, y in enumerate(b)}
    assert found == {pair: count for pair, count in expected.items() if count}


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


def test_nothing_to_compare() -> None:
    mask = encode(np.ones((3, 3)))
    assert [len(found) for found in overlaps([], [mask])] == [0, 0, 0]
    assert intersection_px(encode(np.zeros((2, 2))), mask) == 0
