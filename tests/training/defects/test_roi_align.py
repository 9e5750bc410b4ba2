"""ROIAlign against the loop of its definition, its level rule, and its gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.defects.networks.roi_align import RegionPool, roi_align


def sample(feature: np.ndarray, y: float, x: float) -> np.ndarray:
    """Bilinear value of (C, H, W) at a place in pixels, 0 more than a pixel outside."""
    height, width = feature.shape[1:]
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(feature.shape[0])
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    down, across = y - top, x - left
    upper = feature[:, top, left] * (1 - across) + feature[:, top, right] * across
    lower = feature[:, bottom, left] * (1 - across) + feature[:, bottom, right] * across
    return upper * (1 - down) + lower * down


def by_definition(feature: np.ndarray, box: np.ndarray, stride: float, resolution: int, sampling: int) -> np.ndarray:
    left, top, right, bottom = box / stride - 0.5
    height, width = (bottom - top) / resolution, (right - left) / resolution
    rows, columns = sampling or math.ceil(height), sampling or math.ceil(width)
    pooled = np.zeros((feature.shape[0], resolution, resolution))
    for i in range(resolution):
        for j in range(resolution):
            values = [
                sample(feature, top + (i + (a + 0.5) / rows) * height, left + (j + (b + 0.5) / columns) * width)
                for a in range(rows)
                for b in range(columns)
            ]
            pooled[:, i, j] = np.mean(values, axis=0) if values else 0.0
    return pooled


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0, 1, 2]))
def test_equals_its_definition_on_any_level_and_picture(seed: int, sampling: int) -> None:
    generator = np.random.default_rng(seed)
    features = [generator.normal(size=(2, 3, 16 >> level, 20 >> level)).astype(np.float32) for level in range(2)]
    corner = generator.uniform(-12, 70, size=(4, 2))
    boxes = np.concatenate([corner, corner + generator.uniform(0.5, 60, size=(4, 2))], axis=1).astype(np.float32)
    pictures, levels = generator.integers(0, 2, 4), generator.integers(0, 2, 4)
    found = roi_align(
        [torch.from_numpy(feature) for feature in features],
        torch.from_numpy(boxes),
        torch.from_numpy(pictures),
        torch.from_numpy(levels),
        [4.0, 8.0],
        3,
        sampling,
    )
    for number in range(4):
        feature = features[levels[number]][pictures[number]].astype(np.float64)
        stride = (4.0, 8.0)[levels[number]]
        expected = by_definition(feature, boxes[number].astype(np.float64), stride, 3, sampling)
        np.testing.assert_allclose(found[number].numpy(), expected, atol=2e-4)


@pytest.mark.parametrize(("side", "level"), [(10, 0), (111, 0), (113, 1), (224, 2), (449, 3), (2000, 3)])
def test_large_regions_are_looked_at_on_coarse_levels(side: float, level: int) -> None:
    pool = RegionPool(7, 0, ("p2", "p3", "p4", "p5"))
    assert pool.level_of(torch.tensor([[0.0, 0.0, side, side]])).tolist() == [level]


def test_a_pyramid_of_fewer_levels_uses_its_own() -> None:
    pool = RegionPool(1, 1, ("p3", "p4"))
    features = [torch.full((1, 1, 4, 4), float(level)) for level in range(2, 7)]
    boxes = torch.tensor([[0.0, 0.0, 8.0, 8.0], [0.0, 0.0, 900.0, 900.0]])
    assert pool(features, boxes, torch.zeros(2, dtype=torch.int64))[0].item() == 3.0
    assert pool.level_of(boxes).tolist() == [0, 1]


def test_gradient_is_the_derivative() -> None:
    torch.manual_seed(0)
    feature = torch.randn(1, 2, 6, 6, requires_grad=True)
    boxes = torch.tensor([[1.0, 2.0, 17.0, 20.0], [-3.0, 0.0, 9.0, 30.0]])
    zeros = torch.zeros(2, dtype=torch.int64)
    weights = torch.randn(2, 2, 3, 3)
    loss = (roi_align([feature], boxes, zeros, zeros, [4.0], 3, 2) * weights).sum()
    loss.backward()
    # The pooled values are linear in the features, so the gradient times the features is the loss itself.
    assert feature.grad is not None
    assert abs(float((feature.grad * feature.detach()).sum()) - float(loss.detach())) < 1e-4


def test_no_regions() -> None:
    pool = RegionPool(7, 0, ("p2",))
    pooled = pool([torch.zeros(1, 5, 4, 4)], torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    assert pooled.shape == (0, 5, 7, 7)
