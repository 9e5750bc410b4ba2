"""Masks: cropped and run-length encoded."""

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
@given(small, offsets, offsets, st.integers(0, 8), st.integers(0, 8))
def test_clipping_keeps_what_is_inside(
    pixels: np.ndarray, at: tuple[int, int], corner: tuple[int, int], width: int, height: int
) -> None:
    mask = encode(pixels, x_px=at[0], y_px=at[1])
    (left, top), canvas = corner, on_canvas(mask)
    window = np.zeros_like(canvas)
    window[10 + top : 10 + top + height, 10 + left : 10 + left + width] = True
    assert np.array_equal(on_canvas(clipped(mask, left, top, left + width, top + height)), canvas & window)


@settings(max_examples=40)
@given(small, offsets, small, offsets)
def test_a_union_holds_the_pixels_of_both(
    a: np.ndarray, a_at: tuple[int, int], b: np.ndarray, b_at: tuple[int, int]
) -> None:
    first, second = encode(a, x_px=a_at[0], y_px=a_at[1]), encode(b, x_px=b_at[0], y_px=b_at[1])
    assert np.array_equal(on_canvas(union((first, second))), on_canvas(first) | on_canvas(second))


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
