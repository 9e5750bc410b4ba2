"""Boxes: overlaps against counting pixels, corrections there and back."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.defects.networks import boxes as boxes_module

whole_box = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 12), st.integers(1, 12)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


def pixels(box: tuple[int, int, int, int]) -> np.ndarray:
    picture = np.zeros((40, 40), bool)
    picture[box[1] : box[3], box[0] : box[2]] = True
    return picture


@settings(deadline=None)
@given(st.lists(whole_box, min_size=1, max_size=4), st.lists(whole_box, min_size=1, max_size=4))
def test_iou_counts_pixels(a: list[tuple[int, int, int, int]], b: list[tuple[int, int, int, int]]) -> None:
    found = boxes_module.iou(torch.tensor(a).float(), torch.tensor(b).float())
    for i, first in enumerate(a):
        for j, second in enumerate(b):
            both, either = pixels(first) & pixels(second), pixels(first) | pixels(second)
            assert abs(float(found[i, j]) - both.sum() / either.sum()) < 1e-6


@settings(deadline=None)
@given(whole_box, whole_box)
def test_decode_undoes_encode(box: tuple[int, int, int, int], target: tuple[int, int, int, int]) -> None:
    start, end = torch.tensor([box]).float(), torch.tensor([target]).float()
    weights = (10.0, 10.0, 5.0, 5.0)
    corrections = boxes_module.encode(end, start, weights)
    back = boxes_module.decode(corrections[:, None], start, weights)[:, 0]
    torch.testing.assert_close(back, end, atol=1e-4, rtol=0)


def test_growth_is_limited() -> None:
    start = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    grown = boxes_module.decode(torch.tensor([[[0.0, 0.0, 50.0, 50.0]]]), start, (1.0, 1.0, 1.0, 1.0))
    assert float(grown[0, 0, 2] - grown[0, 0, 0]) < 1001


def test_boxes_are_cut_at_the_picture() -> None:
    image = torch.zeros(3, 20, 30)
    cut = boxes_module.clip(torch.tensor([[-5.0, -1.0, 40.0, 19.0]]), boxes_module.extent_of(image))
    assert cut.tolist() == [[0.0, 0.0, 30.0, 19.0]]


def test_empty_boxes_do_not_overlap() -> None:
    empty = torch.zeros(2, 4)
    assert float(boxes_module.iou(empty, empty).max()) == 0.0
