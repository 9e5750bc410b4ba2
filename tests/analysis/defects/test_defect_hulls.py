"""Hulls and Feret diameters of many sets of points at once, against one at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, QhullError

from analysis.defects.hulls import hulls

coordinate = st.integers(-6, 6).map(float) | st.floats(-6, 6, width=32)
sets = st.lists(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=25), min_size=1, max_size=5)


def ferets(points: np.ndarray) -> tuple[float, float]:
    """Largest distance of two points, and smallest width across a side of the hull."""
    corners = points[ConvexHull(points).vertices]
    sides = np.roll(corners, -1, axis=0) - corners
    normals = np.column_stack((-sides[:, 1], sides[:, 0])) / np.hypot(*sides.T)[:, None]
    across = normals @ corners.T
    distances = np.hypot(*(corners[:, None] - corners).transpose(2, 0, 1))
    return float(distances.max()), float((across.max(axis=1) - across.min(axis=1)).min())


@settings(max_examples=150)
@given(sets, st.sampled_from([(1.0, 1.0), (0.3, 2.0)]))
def test_ferets_of_any_sets_of_points(found: list[list[tuple[float, float]]], scale: tuple[float, float]) -> None:
    given_sets, expected = [], []
    for points in found:
        try:
            expected.append(ferets(np.array(points) * scale))
        except QhullError:  # all on one line
            continue
        given_sets.append(np.array(points))
    if given_sets:
        number = np.array([len(points) for points in given_sets])
        largest, smallest = hulls(np.concatenate(given_sets), number).ferets(*scale)
        assert np.column_stack((largest, smallest)) == pytest.approx(np.array(expected), abs=1e-6)


def test_points_on_one_line_have_no_width() -> None:
    line = np.array([(0.0, 0.0), (3.0, 4.0), (1.5, 2.0), (1.5, 2.0)])
    largest, smallest = hulls(line, np.array([4])).ferets()
    assert (largest[0], smallest[0]) == pytest.approx((5, 0))


def test_both_diagonals_of_a_parallelogram_are_looked_at() -> None:
    for corners in ([(0, 0), (4, 0), (5, 1), (1, 1)], [(1, 0), (5, 0), (4, 1), (0, 1)]):
        largest, smallest = hulls(np.array(corners, float), np.array([4])).ferets()
        assert (largest[0], smallest[0]) == pytest.approx((np.hypot(5, 1), 1))
