"""Splines: length, curvature and equal distances, against curves whose values are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.dislocations.skeletons import centre_lines
from analysis.dislocations.splines import POINTS, fit
from tests.analysis.dislocations.drawn_lines import arc, draw, length_of, straight, wave


@settings(max_examples=40, deadline=None)
@given(radius=st.floats(40, 400), begin=st.floats(0, 360), length_px=st.floats(80, 250))
def test_a_circle_has_its_radius_everywhere(radius: float, begin: float, length_px: float) -> None:
    spline = fit(arc(radius, (300, 200), begin, begin + np.degrees(length_px / radius)))
    curvature = spline.curvature(np.linspace(0.1, 0.9, 81))
    assert curvature == pytest.approx(np.full(81, 1 / radius), rel=0.05)  # positive: from x towards y
    assert spline.length == pytest.approx(length_px, abs=0.6)


def test_a_tight_bow_is_blunted_at_its_ends_only() -> None:
    """A radius of 25 px, as tight as the lines of the real frames turn: the ends of a spline are less sure."""
    spline = fit(arc(25, (100, 100), 0, 180))
    assert spline.curvature(np.linspace(0.3, 0.7, 41)) == pytest.approx(np.full(41, 1 / 25), rel=0.02)
    assert spline.length == pytest.approx(25 * np.pi, abs=1.0)


@pytest.mark.parametrize(("x1", "y1"), [(100, 0), (0, 80), (60, -45), (-30, -40)])
def test_a_straight_line_has_no_curvature(x1: float, y1: float) -> None:
    spline = fit(straight(0, 0, x1, y1))
    assert np.abs(spline.curvature(np.linspace(0, 1, 50))).max() < 1e-9
    assert spline.length == pytest.approx(np.hypot(x1, y1))


def test_an_s_turns_one_way_and_then_the_other() -> None:
    """x = 40 sin(2πt), y = 200 t: κ = -x″y′ / (x′² + y′²)^1.5 with the sign of x towards y."""
    course = wave(100, 0, 100, 200, 40)
    spline = fit(course)
    t = np.linspace(0.1, 0.9, 33)
    u = np.interp(200 * t, spline.curve(np.linspace(0, 1, 2001))[:, 1], np.linspace(0, 1, 2001))
    dx, ddx = 80 * np.pi * np.cos(2 * np.pi * t), -160 * np.pi**2 * np.sin(2 * np.pi * t)
    true = -ddx * 200 / (dx**2 + 200**2) ** 1.5
    assert spline.curvature(u) == pytest.approx(true, abs=0.08 * np.abs(true).max())
    assert spline.curvature(0.5) == pytest.approx(0, abs=1e-3)


def test_fifty_points_at_equal_distances_from_end_to_end() -> None:
    course = wave(100, 0, 160, 200, 50)
    points = fit(course).points()
    assert points.shape == (POINTS, 2)
    steps = np.hypot(*np.diff(points, axis=0).T)
    assert steps == pytest.approx(np.full(POINTS - 1, length_of(course) / (POINTS - 1)), rel=0.01)
    assert points[[0, -1]] == pytest.approx(course[[0, -1]], abs=0.2)


def test_lengths_and_curvature_in_pixels_that_are_not_square() -> None:
    """A circle of radius 50 px in pixels of 2 × 1 nm is an ellipse of 100 × 50 nm: κ is a/b² and b/a² at its ends."""
    spline = fit(arc(50, (0, 0), -100, 100)).moved(scale=(2.0, 1.0))
    u = np.linspace(0, 1, 2001)
    points = spline.curve(u)
    tip = int(np.argmax(points[:, 0]))
    side = int(np.argmax(points[:, 1]))
    assert spline.curvature(u[tip]) == pytest.approx(100 / 50**2, rel=0.02)
    assert spline.curvature(u[side]) == pytest.approx(50 / 100**2, rel=0.05)


def test_the_other_way_round_is_the_same_curve() -> None:
    spline = fit(wave(0, 0, 50, 200, 30))
    back = spline.reversed()
    assert back.points() == pytest.approx(spline.points()[::-1])
    assert back.length == pytest.approx(spline.length)
    assert back.curvature(0.3) == pytest.approx(-spline.curvature(0.7))


@settings(max_examples=12, deadline=None)
@given(radius=st.floats(40, 120), seed=st.integers(0, 1000), width_px=st.floats(3, 6))
def test_curvature_of_drawn_masks_with_ragged_edges(radius: float, seed: int, width_px: float) -> None:
    mask = draw(arc(radius, (130, 130), 20, 160), (260, 260), width_px=width_px, rough_px=0.3, seed=seed)
    path = centre_lines(mask)[0]
    spline = fit(path)
    u = spline.parameters()[5:-5]
    assert abs(np.mean(spline.curvature(u))) == pytest.approx(1 / radius, rel=0.1)
    # single places: the edge's raggedness moves them by about 0.001 px⁻¹
    assert np.abs(np.abs(spline.curvature(u)) - 1 / radius).mean() < 0.003


@pytest.mark.parametrize("count", [2, 3, 4, 5, 8])
def test_few_points_are_enough(count: int) -> None:
    spline = fit(np.linspace((3, 4), (9, 12), count))
    assert spline.length == pytest.approx(10)
    assert spline.points(3)[1] == pytest.approx([6, 8])


def test_a_bridged_gap_and_repeated_points_do_no_harm() -> None:
    course = arc(80, (100, 100), 0, 150)
    broken = np.concatenate([course[:120], course[119:120], course[260:]])
    assert fit(broken).length == pytest.approx(length_of(course), rel=0.02)


def test_one_point_is_no_line() -> None:
    with pytest.raises(ValueError, match="two points"):
        fit(np.array([[3.0, 4.0], [3.0, 4.0]]))
