"""Grey values of any unit and range become comparable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.intensity import scale


@given(
    offset=st.floats(-1e6, 1e6),
    contrast=st.floats(1e-6, 1e6),
    kind=st.sampled_from([np.float32, np.float64, np.int32, np.uint16, np.uint8]),
)
def test_scaling_does_not_depend_on_the_units(offset, contrast, kind):
    base = np.random.default_rng(0).normal(size=(64, 64))
    if np.issubdtype(kind, np.integer):
        pixels = np.clip(base * 20 + 100, 0, 255).astype(kind)
    else:
        pixels = (base * contrast + offset).astype(kind)
    out = scale(pixels, (1.0, 99.0))
    assert out.dtype == np.float32
    if np.unique(pixels).size > 1000:  # otherwise the steps of the type itself show
        np.testing.assert_allclose(np.percentile(out, (1, 99)), (0, 1), atol=2e-2)
    assert out.min() >= -0.25
    assert out.max() <= 1.25


def test_a_hot_pixel_does_not_matter():
    pixels = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)
    hot = pixels.copy()
    hot[3, 4], hot[100, 7] = 1e9, -1e9
    change = np.abs(scale(hot, (0.1, 99.9)) - scale(pixels, (0.1, 99.9)))
    assert np.quantile(change, 0.999) < 0.01


@pytest.mark.parametrize("value", [0.0, -3.5, 1e30])
def test_a_constant_picture_becomes_zeros(value):
    assert not scale(np.full((20, 30), value, np.float32)).any()
