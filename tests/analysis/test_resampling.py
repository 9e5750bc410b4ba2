"""The same field of view on another grid."""

from __future__ import annotations

import numpy as np

from analysis.resampling import resample


def test_shrinking_does_not_alias():
    """Stripes finer than the new pixels vanish instead of coming back as coarse ones."""
    stripes = np.cos(2 * np.pi * np.arange(600) / 2.3)[None].repeat(600, axis=0).astype(np.float32)
    assert resample(stripes, 200, 200)[20:-20, 20:-20].std() < 0.02
    assert stripes[::3, ::3].std() > 0.6


def test_widening_and_shrinking_at_once():
    """Either axis first: the same picture."""
    pixels = np.random.default_rng(0).normal(size=(90, 60)).astype(np.float32)
    np.testing.assert_allclose(resample(pixels, 31, 140), resample(pixels.T, 140, 31).T, atol=1e-5)
