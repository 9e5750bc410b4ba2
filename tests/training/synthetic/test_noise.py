"""Random fields: their strength, their grain, their direction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.synthetic import noise


def correlation(field: np.ndarray, lag: int, axis: int) -> float:
    """Correlation of a field with itself `lag` pixels away."""
    a = np.take(field, range(field.shape[axis] - lag), axis)
    b = np.take(field, range(lag, field.shape[axis]), axis)
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize("period_px", [8.0, 11.3, 40.0])
def test_perlin_noise_has_unit_rms_and_its_period(period_px: float) -> None:
    fields = [noise.perlin(300, 300, period_px, np.random.default_rng(seed)) for seed in range(4)]
    assert np.std(fields) == pytest.approx(1.0, abs=0.12)
    near = np.mean([correlation(field, max(1, round(period_px / 8)), 1) for field in fields])
    far = np.mean([correlation(field, round(2 * period_px), 1) for field in fields])
    assert near > 0.8
    assert abs(far) < 0.2


@settings(max_examples=25, deadline=None)
@given(st.integers(20, 90), st.integers(20, 90), st.floats(0.5, 60), st.integers(0, 100))
def test_perlin_noise_fills_every_frame(height: int, width: int, period_px: float, seed: int) -> None:
    field = noise.perlin(height, width, period_px, np.random.default_rng(seed))
    assert field.shape == (height, width)
    assert np.isfinite(field).all()
    assert np.abs(field).max() < 5


@pytest.mark.parametrize(("sigma_x", "sigma_y"), [(0.0, 0.0), (1.0, 1.0), (2.4, 0.8), (6.0, 6.0)])
def test_filtered_noise_has_the_correlation_of_its_gaussian(sigma_x: float, sigma_y: float) -> None:
    field = noise.filtered(400, 400, sigma_x, sigma_y, np.random.default_rng(1))
    assert field.std() == pytest.approx(1.0, abs=0.12)
    for axis, sigma in ((1, sigma_x), (0, sigma_y)):
        lag = max(1, round(sigma))
        expected = np.exp(-(lag**2) / (4 * sigma**2)) if sigma else 0.0
        assert correlation(field, lag, axis) == pytest.approx(expected, abs=0.08)


def test_relief_is_lit_from_its_direction() -> None:
    hill = np.exp(-(np.hypot(*np.meshgrid(np.arange(-20, 21), np.arange(-20, 21))) ** 2) / 60).astype(np.float32)
    from_right = noise.relief(hill, 0.0)
    assert from_right[20, 14] > 1 > -1 > from_right[20, 26]
    from_above = noise.relief(hill, 90.0)
    assert from_above[26, 20] > 1 > -1 > from_above[14, 20]


def test_stripes_change_along_their_normal_only() -> None:
    field = noise.stripes(80, 120, 3.0, 0.0, np.random.default_rng(0))
    assert np.ptp(field, axis=0).max() < 1e-6
    assert field.std() == pytest.approx(1, abs=0.35)
    tilted = noise.stripes(80, 120, 3.0, 45.0, np.random.default_rng(0))
    # along the stripes, from top left to bottom right, nothing changes
    np.testing.assert_allclose(tilted[:-1, :-1], tilted[1:, 1:], atol=1e-4)
