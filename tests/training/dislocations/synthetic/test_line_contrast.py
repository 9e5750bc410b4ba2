"""What is drawn: profiles across lines, slip traces, slipped areas, specks; and the published background."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from training.dislocations import curves
from training.dislocations.synthetic.background import illumination, published
from training.dislocations.synthetic.contrast import attenuation, course, dip
from training.dislocations.synthetic.parameters import (
    Background,
    Detector,
    Frame,
    Grain,
    Light,
    Line,
    Parameters,
    Perlin,
    Region,
    Speck,
    Trace,
    Wave,
)
from training.dislocations.synthetic.rendering import record
from training.synthetic import noise

DIAGONAL = ((40.3, 60.2), (150.7, 170.9))


def drawn(**parts: Any) -> np.ndarray:
    parameters = Parameters(
        seed=1, frame=Frame(height=200, width=200), background=Background(), detector=Detector(level=1), **parts
    )
    return attenuation(parameters)


def line(**more: Any) -> Line:
    settings = {"supports": DIAGONAL, "depth": 0.3, "width_px": 5.0, "taper_px": 0.0, "mask_width_px": 5.0, **more}
    return Line.model_validate(settings)


def across(field: np.ndarray, points: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Mean attenuation at offsets along the normals of a line, its ends left out."""
    places = points[20:-20, None] + curves.normals(points)[20:-20, None] * offsets[None, :, None]
    return ndimage.map_coordinates(field, [places[..., 1], places[..., 0]], order=3).mean(axis=0)


@pytest.mark.parametrize("supports", [DIAGONAL, ((30, 100), (170, 100)), ((30, 60), (80, 110), (150, 100), (165, 160))])
@pytest.mark.parametrize(("width_px", "exponent"), [(3.0, 2.0), (5.0, 1.2), (5.0, 5.0), (8.0, 2.0)])
def test_a_line_s_profile_is_pearson_s_with_its_width(
    supports: tuple[tuple[float, float], ...], width_px: float, exponent: float
) -> None:
    made = line(supports=supports, width_px=width_px, exponent=exponent)
    offsets = np.arange(-20.0, 20.25, 0.5)
    found = across(drawn(lines=(made,)), course(made), offsets)
    expected = 0.3 * dip(offsets, width_px, exponent)
    assert np.abs(found - expected).max() < 0.035
    half = offsets[found > found.max() / 2]
    assert half.max() - half.min() + 0.5 == pytest.approx(width_px, abs=1.0)


def test_a_dip_is_as_wide_as_it_says_and_its_exponent_makes_its_tails() -> None:
    for exponent in (0.8, 1.0, 2.0, 50.0):
        assert dip(np.array([0.0, 2.5, -2.5]), 5.0, exponent) == pytest.approx([1.0, 0.5, 0.5])
    assert dip(np.array([10.0]), 5.0, 1.0)[0] > 10 * dip(np.array([10.0]), 5.0, 50.0)[0]


def test_a_skewed_line_is_wider_on_its_left() -> None:
    made = line(supports=((30, 100), (170, 100)), skew=0.4)
    found = across(drawn(lines=(made,)), course(made), np.arange(-12.0, 12.5, 0.5))
    assert found[36] > 1.5 * found[12]  # 6 px to the left, 6 px to the right


def test_a_line_fades_at_its_ends_and_its_beads_decay() -> None:
    supports = ((20, 100), (180, 100))
    plain = drawn(lines=(line(supports=supports, ends=(0.5, 1.2)),))[100]
    assert plain[24] < 0.7 * plain[100] < plain[100] < plain[176]
    beaded = drawn(lines=(line(supports=supports, beads=0.6, bead_px=10.0, bead_decay_px=20.0),))[100]
    assert np.ptp(beaded[30:50]) > 5 * np.ptp(beaded[130:150])


def test_waves_move_the_line_and_its_truth() -> None:
    waved = line(supports=((20, 100), (180, 100)), waves=(Wave(length_px=40, amplitude_px=3.0, phase_rad=0.0),))
    points = course(waved)
    assert np.ptp(points[:, 1]) == pytest.approx(6.0, abs=0.1)
    field = drawn(lines=(waved,))
    darkest = field[:, 30:170].argmax(axis=0)
    np.testing.assert_allclose(darkest, np.interp(np.arange(30, 170), points[:, 0], points[:, 1]), atol=1.0)


def test_crossing_lines_darken_each_other() -> None:
    one, other = line(supports=((20, 100), (180, 100))), line(supports=((100, 20), (100, 180)))
    field = drawn(lines=(one, other))
    assert field[100, 100] == pytest.approx(field[100, 60] + field[60, 100], rel=0.05)


def test_a_slip_trace_is_dark_on_one_side_and_light_on_the_other() -> None:
    trace = Trace(points=((20, 100), (180, 100)), depth=0.08, other_depth=-0.05, width_px=4, apart_px=6)
    field = drawn(traces=(trace,))
    assert field[97, 100] == pytest.approx(0.08, abs=0.015)  # left of a line to the right is above
    assert field[103, 100] == pytest.approx(-0.05, abs=0.015)
    fading = drawn(traces=(trace.model_copy(update={"taper_px": (100.0, 4.0)}),))
    assert fading[97, 40] < 0.3 * fading[97, 170]


def test_a_region_steps_inside_its_outline_only() -> None:
    field = drawn(regions=(Region(outline=((50, 50), (150, 50), (150, 120), (50, 120)), depth=-0.05),))
    assert field[85, 100] == pytest.approx(-0.05, abs=1e-4)
    assert abs(field[140, 100]) < 1e-4


def test_a_speck_lies_where_and_as_it_is_said() -> None:
    field = drawn(specks=(Speck(x_px=60, y_px=80, major_px=20, minor_px=8, angle_deg=45, depth=0.5, hardness=3),))
    assert field[80, 60] == pytest.approx(0.5)
    assert field[74, 66] > 5 * field[86, 66]  # the long axis points up to the right
    for x, y in ((-40.0, 50.0), (250.0, 250.0), (0.0, 0.0)):
        assert np.isfinite(drawn(specks=(Speck(x_px=x, y_px=y, major_px=9, minor_px=6, depth=0.5),))).all()


def test_nothing_drawn_is_nothing() -> None:
    assert not drawn().any()


# --- background


def perlin(**more: float) -> Perlin:
    settings = {
        "wavelength_1_px": 60, "wavelength_2_px": 20, "w_perlin": 0.3, "w_white": 0.6, "s1_px": 1.0, "r_noise": 0.3,
        "s2_px": 0.7, **more,
    }  # fmt: skip
    return Perlin.model_validate(settings)


def test_the_background_is_the_published_formula() -> None:
    settings, (height, width) = perlin(), (150, 130)
    rng = np.random.default_rng(5)
    p1, p2 = (noise.perlin(height, width, wavelength, rng) for wavelength in (60, 20))
    p3 = p1 + 0.3 * p2
    p4 = (p3 - p3.min()) / np.ptp(p3) + 0.6 * (2 * rng.random((height, width), dtype=np.float32) - 1)
    p5 = ndimage.gaussian_filter(p4, 1.0, mode="nearest", truncate=3)
    p6 = p5 + 0.3 * p4.std() * (2 * rng.random((height, width), dtype=np.float32) - 1)
    p7 = np.clip(ndimage.gaussian_filter(p6, 0.7, mode="nearest", truncate=3), 0, 1)
    found = published(height, width, settings, np.random.default_rng(5))
    np.testing.assert_allclose(found, p7, atol=1e-5)
    assert found.dtype == np.float32


def test_each_of_the_background_s_parameters_does_its_part() -> None:
    def made(**more: float) -> np.ndarray:
        return published(200, 200, perlin(**more), np.random.default_rng(2))

    quiet = {"w_white": 0.0, "r_noise": 0.0, "s1_px": 0.0, "s2_px": 0.0}
    assert made(**quiet).min() == 0
    assert made(**quiet).max() == 1
    fine = [np.diff(field, axis=1).std() for field in (made(**quiet), made(), made(w_white=0.9), made(s2_px=2.0))]
    assert fine[0] < fine[3] < fine[1] < fine[2]
    assert np.diff(made(**quiet, wavelength_1_px=10), axis=1).std() > 2 * fine[0]
    assert 0 <= made().min() < made().max() <= 1


def test_the_light_has_its_hill_and_its_floor() -> None:
    light = illumination(
        Frame(height=101, width=201), Light(centre_x=0.25, centre_y=0.5, sigma_x=0.1, sigma_y=0.2, floor=0.2)
    )
    assert np.unravel_index(int(light.argmax()), light.shape) == (50, 50)
    assert light.max() == pytest.approx(1.0)
    assert light[50, 70] == pytest.approx(0.2 + 0.8 * np.exp(-0.5), abs=1e-3)
    assert light[0, 200] == pytest.approx(0.2, abs=1e-3)


def test_grain_is_relative_to_the_brightness() -> None:
    field = np.concatenate([np.full((100, 200), 1.0), np.full((100, 200), 0.3)]).astype(np.float32)
    grey = record(field, Detector(grains=(Grain(rms=0.03, sigma_px=1.0),), level=0.6), np.random.default_rng(0))
    assert grey[:100].mean() == pytest.approx(153, abs=1)
    assert grey[:100].std() / grey[:100].mean() == pytest.approx(0.03, rel=0.15)
    assert grey[100:].std() / grey[100:].mean() == pytest.approx(0.03, rel=0.15)
