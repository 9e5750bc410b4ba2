"""Many masks at once, as vertical runs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from analysis.masks import EMPTY, Mask, clipped, encode
from analysis.runs import masks_of, runs_of

small = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))
offset = st.integers(-4, 6)
masks = st.lists(st.builds(lambda pixels, x, y: encode(pixels, x_px=x, y_px=y), small, offset, offset), max_size=6)


@settings(max_examples=60)
@given(masks)
def test_runs_are_the_pixels_of_the_masks(found: list[Mask]) -> None:
    runs = runs_of(found)
    assert masks_of(runs, len(found)) == found
    assert runs.areas(len(found)).tolist() == [mask.area_px for mask in found]


@settings(max_examples=60)
@given(masks, st.data())
def test_any_of_them_in_any_order_and_more_than_once(found: list[Mask], data: st.DataObject) -> None:
    order = data.draw(st.lists(st.integers(0, len(found) - 1), max_size=8)) if found else []
    assert masks_of(runs_of(found).of(np.array(order, np.intp)), len(order)) == [found[k] for k in order]


@settings(max_examples=60)
@given(masks, st.data())
def test_each_is_clipped_at_a_rectangle_of_its_own(found: list[Mask], data: st.DataObject) -> None:
    rectangles = [data.draw(st.tuples(offset, offset, offset, offset)) for _ in found]
    inside = runs_of(found).within(np.array(rectangles, np.intp).reshape(-1, 4))
    assert masks_of(inside, len(found)) == [clipped(m, *r) for m, r in zip(found, rectangles, strict=True)]


def test_a_mask_whose_runs_are_split_without_need_comes_back_whole() -> None:
    # COCO files of others may hold runs of no length
    assert masks_of(runs_of([Mask(3, 4, 2, 3, (0, 1, 0, 1, 1, 1, 2))]), 1) == [Mask(3, 4, 2, 2, (0, 3, 1))]
    assert masks_of(runs_of([EMPTY, Mask(0, 0, 2, 2, (4,))]), 2) == [EMPTY, EMPTY]
