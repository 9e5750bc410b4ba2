"""Histograms of quantities."""

from __future__ import annotations

import numpy as np

from analysis.distributions import distribution


def test_histogram_bins_are_half_open_and_hold_every_value() -> None:
    found = distribution([0.0, 4.9, 5.0, 12.0, np.nan], bin_width=5)
    assert found is not None
    assert found.edges == (0, 5, 10, 15)
    assert found.counts == (2, 1, 1)
    assert (found.count, found.minimum, found.maximum) == (4, 0, 12)
    assert distribution([np.nan], bin_width=5) is None
