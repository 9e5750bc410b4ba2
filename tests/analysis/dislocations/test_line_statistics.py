"""Measures of lines, by examples worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.dislocations.postprocess import find_lines
from analysis.dislocations.statistics import LineTension, MeasuredLine, describe, measured
from tests.analysis.dislocations.drawn_lines import arc, draw, straight, wave

SHAPE = (300, 300)


def line(course: np.ndarray, *, pixel_size_nm: tuple[float, float] | None = None, scale=(1.0, 1.0)) -> MeasuredLine:
    """The measures of the line found in a mask drawn along a course."""
    (found,) = find_lines(draw(course, SHAPE)[None])
    return measured(found, *SHAPE, scale=scale, pixel_size_nm=pixel_size_nm)


def test_an_arc_of_radius_100_px_in_pixels_of_half_a_nanometre() -> None:
    bow = line(arc(100, (150, 40), 40, 140), pixel_size_nm=(0.5, 0.5))
    assert bow.length_px == pytest.approx(100 * np.radians(100), abs=2)
    assert bow.length_nm == pytest.approx(50 * np.radians(100), abs=1)
    assert bow.radius_px == pytest.approx(100, rel=0.12)  # its middle lies along the rows of pixels: the worst case
    assert bow.radius_nm == pytest.approx(50, rel=0.12)
    assert bow.mean_curvature_per_px == pytest.approx(0.01, rel=0.07)
    assert bow.mean_curvature_per_nm == pytest.approx(0.02, rel=0.07)
    assert bow.max_curvature_per_px == pytest.approx(0.01, rel=0.3)
    assert bow.points_px.shape == (50, 2)
    assert bow.points_nm == pytest.approx(bow.points_px * 0.5)
    assert bow.curvature_per_px.shape == (50,)
    assert np.hypot(*(bow.points_px - (150, 40)).T) == pytest.approx(np.full(50, 100), abs=0.7)


def test_the_sign_of_the_curvature_tells_the_side() -> None:
    s = line(wave(100, 30, 100, 270, 40))
    upper, lower = s.curvature_per_px[8:20].mean(), s.curvature_per_px[-20:-8].mean()
    assert upper * lower < 0
    assert abs(upper + lower) < 0.2 * abs(upper - lower)


def test_pixels_that_are_not_square() -> None:
    flat = line(straight(50, 100, 250, 100), pixel_size_nm=(2.0, 0.5))
    steep = line(straight(100, 50, 100, 250), pixel_size_nm=(2.0, 0.5))
    assert flat.length_nm == pytest.approx(400, rel=0.01)
    assert steep.length_nm == pytest.approx(100, rel=0.01)


def test_the_network_s_scale_is_taken_back() -> None:
    """A picture enlarged twice for the network: pixel 0 of it is centred at -0.25 of the micrograph's."""
    halved = line(straight(50, 100, 250, 100), scale=(2.0, 2.0))
    assert halved.length_px == pytest.approx(100, rel=0.02)
    assert halved.points_px[:, 1] == pytest.approx(np.full(50, 49.75), abs=0.1)
    assert halved.width_px == pytest.approx(1.5, abs=0.1)  # the mask is three rows high


def test_line_tension() -> None:
    """τ = μ b / R: 50 GPa · 0.25 nm / 50 nm = 250 MPa."""
    tension = LineTension(shear_modulus_gpa=50, burgers_vector_nm=0.25)
    bow = arc(100, (150, 40), 40, 140)
    assert tension.stress_mpa(line(bow, pixel_size_nm=(0.5, 0.5))) == pytest.approx(250, rel=0.12)
    assert tension.stress_mpa(line(bow)) is None
    flat = line(straight(50, 100, 250, 100), pixel_size_nm=(1.0, 1.0))
    assert tension.stress_mpa(flat) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize(
    ("course", "touches"),
    [
        (straight(60, 60, 200, 240), False),
        (straight(-5, 60, 200, 240), True),
        (straight(60, 60, 200, 310), True),
        (straight(100, 7, 200, 7), False),
    ],
)
def test_touching_the_edge(course: np.ndarray, touches: bool) -> None:
    assert line(course).touches_edge is touches


def test_density_and_spacing_of_three_lines() -> None:
    """Three lines of 200 px, 40 and 60 px apart, in a field of 300 × 300 px of 2 nm."""
    lines = [line(straight(50, y, 250, y), pixel_size_nm=(2.0, 2.0)) for y in (100, 140, 200)]
    numbers = describe(lines, *SHAPE, pixel_size_nm=(2.0, 2.0))
    assert numbers.count == 3
    assert numbers.total_length_px == pytest.approx(600, rel=0.02)
    assert numbers.density_per_px == pytest.approx(600 / 300**2, rel=0.02)
    assert numbers.density_per_nm == pytest.approx(1200 / 600**2, rel=0.02)
    assert numbers.distances_px == pytest.approx(np.array([[0, 40, 100], [40, 0, 60], [100, 60, 0]]), abs=0.5)
    assert numbers.distances_nm is not None
    assert numbers.distances_nm[0, 1] == pytest.approx(80, abs=1)
    assert numbers.nearest_px is not None
    assert numbers.nearest_px.mean == pytest.approx((40 + 40 + 60) / 3, abs=0.5)
    assert numbers.length_px is not None
    assert (numbers.length_px.count, numbers.length_px.mean) == (3, pytest.approx(200, rel=0.02))


def test_nothing_found() -> None:
    numbers = describe([], *SHAPE)
    assert (numbers.count, numbers.total_length_px, numbers.density_per_px) == (0, 0, 0)
    assert numbers.length_px is None
    assert numbers.nearest_px is None
    assert numbers.density_per_nm is None
    assert describe([line(straight(50, 9, 250, 9))], *SHAPE).nearest_px is None
