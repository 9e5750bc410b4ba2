"""Splines through support points, pieces inside a frame, masks of lines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.dislocations import curves


def circle(radius_px: float, turn_rad: float = 2.0, centre: tuple[float, float] = (100.0, 100.0)) -> np.ndarray:
    t = np.linspace(0, turn_rad, 12)
    return np.stack([centre[0] + radius_px * np.cos(t), centre[1] + radius_px * np.sin(t)], axis=1)


def test_a_spline_through_points_of_a_circle_stays_on_it_and_is_as_long() -> None:
    points = curves.spline(circle(60.0))
    radius = np.hypot(*(points - 100.0).T)
    assert np.abs(radius - 60.0).max() < 0.1
    assert curves.lengths(points)[-1] == pytest.approx(120.0, rel=1e-3)
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps == pytest.approx(1.0, abs=0.02)


def test_two_support_points_are_a_straight_line() -> None:
    points = curves.spline([(0, 0), (30, 40)])
    assert len(points) == 51
    np.testing.assert_allclose(points[:, 1], points[:, 0] * 4 / 3, atol=1e-9)


def test_normals_point_to_the_left_as_seen_along_the_line() -> None:
    to_the_right = curves.resampled(np.array([[0.0, 5.0], [20.0, 5.0]]))
    np.testing.assert_allclose(curves.normals(to_the_right), np.tile([0.0, -1.0], (21, 1)), atol=1e-12)


def test_the_pieces_inside_a_frame_are_on_its_pixels_and_the_longest_is_first() -> None:
    line = curves.resampled(np.array([[-20.0, 10.0], [15.0, 10.0], [15.0, 80.0], [70.0, 80.0], [70.0, 40.0]]))
    pieces = curves.inside(line, 60, 80)
    assert len(pieces) == 2
    lengths = [curves.lengths(piece)[-1] for piece in pieces]
    assert lengths[0] > lengths[1] > 15
    for piece in pieces:
        assert (piece >= -0.5).all()
        assert (piece <= [79.5, 59.5]).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-10, 74), st.floats(-10, 58)), min_size=2, max_size=5, unique=True),
    st.floats(1.0, 9.0),
)
def test_a_mask_holds_the_pixels_within_half_a_width_of_the_line(
    supports: list[tuple[float, float]], width_px: float
) -> None:
    height, width = 48, 64
    points = curves.resampled(np.array(supports))
    crop, left, top = curves.mask(points, width_px, height, width)
    drawn = np.zeros((height, width), bool)
    drawn[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    fine = curves.resampled(points, 0.25)
    y, x = np.mgrid[:height, :width]
    distance = np.min([np.hypot(x - px, y - py) for px, py in fine], axis=0)
    np.testing.assert_array_equal(drawn[distance < width_px / 2 - 1e-6], True)
    np.testing.assert_array_equal(drawn[distance > width_px / 2 + 1e-6], False)


def test_a_line_outside_has_an_empty_mask() -> None:
    crop, _, _ = curves.mask(np.array([[-30.0, -30.0], [-20.0, -30.0]]), 5.0, 40, 40)
    assert crop.size == 0
