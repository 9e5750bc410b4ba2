"""Mask probabilities pasted into boxes as Detectron2 does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from analysis.defects.pasting import paste, paste_all, sample
from analysis.masks import EMPTY, decode, encode


@pytest.mark.parametrize("name", ["fecral_1024", "fecral_512", "synthetic_320x384"])
def test_pasted_masks_are_detectron2s(shared_data: Path, name: str) -> None:
    reference = np.load(shared_data / "detectron2_reference" / f"{name}.npz")
    height, width = reference["image"].shape[1:]
    boxes, maps = reference["boxes"], reference["mask_probabilities"]
    expected = np.unpackbits(reference["pasted_masks"], axis=-1, count=width).astype(bool)
    # Its own probabilities in its own boxes: not a pixel differs, in any mask.
    masks = paste_all(maps.reshape(-1, *maps.shape[-2:]), boxes, height, width)
    assert masks == [encode(pixels) for pixels in expected]
    assert sum(mask.area_px > 0 for mask in masks) > 90
    assert paste(maps[0], boxes[0], height, width) == masks[0]


def test_sampling_is_bilinear_with_zeros_around(rng: np.random.Generator) -> None:
    probabilities = rng.random((28, 28))
    box = np.array((3.3, -2.6, 41.2, 17.9))
    values, left, top = sample(probabilities, box, 40, 50)
    y, x = np.mgrid[top : top + values.shape[0], left : left + values.shape[1]] + 0.5
    at = [(y - box[1]) / (box[3] - box[1]) * 28 - 0.5, (x - box[0]) / (box[2] - box[0]) * 28 - 0.5]
    expected = map_coordinates(np.pad(probabilities, 2), np.array(at) + 2, order=1, mode="constant")
    assert np.allclose(values, expected, atol=1e-4)


@pytest.mark.parametrize(
    "box", [(5, 5, 5, 9), (5, 5, 9, 5), (9, 5, 5, 9), (200, 5, 220, 9), (5, -30, 9, -20), (np.nan, 1, 5, 5)]
)
def test_a_box_without_area_or_outside_gives_an_empty_mask(box: tuple[float, ...]) -> None:
    assert paste(np.ones((28, 28)), np.array(box, float), 100, 100) == EMPTY


def test_a_full_map_fills_the_pixels_whose_centres_the_box_holds() -> None:
    mask = paste(np.ones((28, 28)), np.array((2.0, 3.0, 12.0, 9.0)), 100, 100)
    assert (mask.x_px, mask.y_px, mask.width_px, mask.height_px) == (2, 3, 10, 6)
    assert decode(mask).all()


def test_the_mask_ends_at_the_picture() -> None:
    mask = paste(np.ones((28, 28)), np.array((-5.0, 90.0, 8.0, 120.0)), 100, 60)
    assert (mask.x_px, mask.y_px, mask.right_px, mask.bottom_px) == (0, 90, 8, 100)
