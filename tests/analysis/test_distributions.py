"""Histograms of quantities."""

from __future__ import annotations

import numpy as np

from analysis.distributions import MOST_BINS, distribution


def test_histogram_bins_are_half_open_and_hold_every_value() -> None:
    found = distribution([0.0, 4.9, 5.0, 12.0, np.nan], bin_width=5)
    assert found is not None
    assert found.edges == (0, 5, 10, 15)
    assert found.counts == (2, 1, 1)
    assert (found.count, found.minimum, found.maximum) == (4, 0, 12)
    assert distribution([np.nan], bin_width=5) is None


def test_bins_are_widened_where_there_would_be_too_many() -> None:
    found = distribution([1e3, 5e7, 2e7], bin_width=25)
    assert found is not None
    assert MOST_BINS / 10 < len(found.counts) <= MOST_BINS + 1
    assert sum(found.counts) == 3
    widths = np.diff(found.edges)
    np.testing.assert_allclose(widths, 250_000)
    narrow = distribution([0.0, 25.0 * (MOST_BINS - 1)], bin_width=25)
    assert narrow is not None
    assert len(narrow.counts) == MOST_BINS
