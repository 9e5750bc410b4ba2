"""Rings, discs, bars and lines: where they are dark, how wide and how deep, in nm."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.masks import decode
from training.defects.labels import Ellipse
from training.defects.synthetic import ellipses, lines
from training.defects.synthetic.canvas import Canvas
from training.defects.synthetic.marks import Bar, Disc, Harmonic, Line, Mark, Ring, SecondEdge
from training.defects.synthetic.parameters import Frame

PIXEL_SIZES = (0.14, 0.3, 0.88)


def attenuation(mark: Mark | Line, pixel_size_nm: float, field_nm: float = 90.0) -> np.ndarray:
    """Attenuation at the pixels of a frame, as `render` makes it."""
    size = round(field_nm / pixel_size_nm)
    frame = Frame(height=size, width=size, pixel_size_nm=pixel_size_nm)
    if isinstance(mark, Line):
        canvas = Canvas.over(frame, lines.FINEST_NM)
        lines.draw(canvas, [mark])
    else:
        canvas = Canvas.over(frame)
        ellipses.draw(canvas, mark)
    return canvas.picture()


def across(picture: np.ndarray, pixel_size_nm: float, x_nm: float, y_nm: float, angle_deg: float) -> np.ndarray:
    """Values at x_nm, y_nm and 0.25 nm apart from there on, in ImageJ's direction `angle_deg`, nearest pixel."""
    t = np.arange(0.0, 45.0, 0.25)
    x = np.round((x_nm + t * np.cos(np.deg2rad(angle_deg))) / pixel_size_nm).astype(int)
    y = np.round((y_nm - t * np.sin(np.deg2rad(angle_deg))) / pixel_size_nm).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < picture.shape[1]) & (y < picture.shape[0])
    return picture[y[inside], x[inside]]


def width_at_half(profile: np.ndarray) -> float:
    """Full width at half maximum in nm around the largest value of a profile with steps of 0.25 nm."""
    peak = int(profile.argmax())
    high = profile >= profile[peak] / 2
    left = peak - int(np.argmin(high[peak::-1]))
    right = peak + int(np.argmin(high[peak:]))
    return (right - left - 1) * 0.25


@pytest.mark.parametrize("pixel_size_nm", PIXEL_SIZES)
@pytest.mark.parametrize("angle_deg", [0.0, 37.0, 120.0])
def test_an_open_loop_is_a_line_of_its_width_just_inside_its_ellipse(pixel_size_nm: float, angle_deg: float) -> None:
    ring = Ring(x_nm=45, y_nm=44, major_nm=50, minor_nm=32, angle_deg=angle_deg, depth=0.8, edge_nm=6)
    picture = attenuation(ring, pixel_size_nm)
    tolerance = 0.25 + pixel_size_nm
    for turn, half_axis in ((0.0, 25.0), (90.0, 16.0), (180.0, 25.0), (270.0, 16.0)):
        profile = across(picture, pixel_size_nm, 45, 44, angle_deg + turn)
        assert profile.argmax() * 0.25 == pytest.approx(half_axis - 1.0, abs=tolerance)
        assert profile.max() == pytest.approx(0.8, rel=0.05)
    # along the minor axis the distance is exact
    assert width_at_half(across(picture, pixel_size_nm, 45, 44, angle_deg + 90)) == pytest.approx(6, abs=2 * tolerance)
    middle = picture[round(44 / pixel_size_nm), round(45 / pixel_size_nm)]
    assert middle < 0.1
    assert picture[0, 0] == 0


def test_a_small_loop_is_dark_in_the_middle_too() -> None:
    ring = Ring(x_nm=45, y_nm=45, major_nm=12, minor_nm=8, depth=0.8, edge_nm=6)
    picture = attenuation(ring, 0.3)
    assert 0.4 < picture[150, 150] < picture.max()


def test_a_double_edge_has_two_dark_lines_and_a_lighter_one_between() -> None:
    second = SecondEdge(inset_nm=6, depth=0.5, between=0.1)
    ring = Ring(x_nm=45, y_nm=45, major_nm=50, minor_nm=50, depth=0.5, edge_nm=3.6, second=second)
    profile = across(attenuation(ring, 0.25), 0.25, 45, 45, 90)
    outer, between, inner = (profile[round(r / 0.25)] for r in (24.4, 22.0, 19.0))
    assert outer > 0.4
    assert inner > 0.4
    assert between < 0.75 * min(outer, inner)


@pytest.mark.parametrize("pixel_size_nm", PIXEL_SIZES)
def test_a_disc_has_half_its_depth_on_its_outline(pixel_size_nm: float) -> None:
    disc = Disc(x_nm=45, y_nm=45, major_nm=24, minor_nm=16, angle_deg=30, depth=1.0, soft_nm=3)
    picture = attenuation(disc, pixel_size_nm)
    for turn, half_axis in ((0.0, 12.0), (90.0, 8.0)):
        profile = across(picture, pixel_size_nm, 45, 45, 30 + turn)
        below_half = float(np.argmax(profile < 0.5)) * 0.25
        assert below_half == pytest.approx(half_axis, abs=0.25 + pixel_size_nm)
    assert picture[round(45 / pixel_size_nm), round(45 / pixel_size_nm)] == pytest.approx(1.0, abs=0.02)


def test_the_coffee_bean_is_split_along_its_minor_axis() -> None:
    disc = Disc(x_nm=45, y_nm=45, major_nm=24, minor_nm=16, depth=1.0, soft_nm=3, split=0.6)
    picture = attenuation(disc, 0.3)
    assert picture[150, 150] == pytest.approx(0.4, abs=0.05)
    assert picture[150, 150 - 20] > 0.75
    assert picture[150, 150 + 20] > 0.75


@pytest.mark.parametrize("pixel_size_nm", PIXEL_SIZES)
@pytest.mark.parametrize("angle_deg", [0.0, 45.0, 135.0])
def test_an_edge_on_loop_is_as_long_and_as_thick_as_its_axes(pixel_size_nm: float, angle_deg: float) -> None:
    bar = Bar(x_nm=45, y_nm=45, major_nm=40, minor_nm=6, angle_deg=angle_deg, depth=1.4, soft_nm=2)
    picture = attenuation(bar, pixel_size_nm)
    for turn, half_axis in ((0.0, 20.0), (180.0, 20.0), (90.0, 3.0), (270.0, 3.0)):
        profile = across(picture, pixel_size_nm, 45, 45, angle_deg + turn)
        assert float(np.argmax(profile < 0.7)) * 0.25 == pytest.approx(half_axis, abs=0.25 + pixel_size_nm)


@pytest.mark.parametrize(
    "mark",
    [
        Ring(x_nm=41, y_nm=48, major_nm=40, minor_nm=16, angle_deg=25, depth=0.9, edge_nm=5, fill=0.3),
        Disc(x_nm=41, y_nm=48, major_nm=40, minor_nm=16, angle_deg=25, depth=0.9, soft_nm=4),
        Bar(x_nm=41, y_nm=48, major_nm=40, minor_nm=8, angle_deg=25, depth=0.9, soft_nm=2),
    ],
    ids=["ring", "disc", "bar"],
)
def test_what_is_dark_lies_where_the_label_s_mask_lies(mark: Mark) -> None:
    scale = 1 / 0.3
    label = Ellipse(mark.x_nm * scale, mark.y_nm * scale, mark.major_nm * scale, mark.minor_nm * scale, mark.angle_deg)
    mask = label.mask()
    picture = attenuation(mark, 0.3)
    x, y = np.meshgrid(np.arange(picture.shape[1]), np.arange(picture.shape[0]))
    weight = picture / picture.sum()
    assert (weight * x).sum() == pytest.approx(label.x_px, abs=0.3)
    assert (weight * y).sum() == pytest.approx(label.y_px, abs=0.3)
    inside = picture[mask.y_px : mask.bottom_px, mask.x_px : mask.right_px].sum() / picture.sum()
    assert inside > 0.75
    # the other way round the ellipse does not fit
    wrong = Ellipse(label.x_px, label.y_px, label.major_px, label.minor_px, -mark.angle_deg)
    assert _darkness(picture, label) > 1.3 * _darkness(picture, wrong)


def _darkness(picture: np.ndarray, ellipse: Ellipse) -> float:
    mask = ellipse.mask()
    return float(picture[mask.y_px : mask.bottom_px, mask.x_px : mask.right_px][decode(mask)].mean())


def test_lobes_darken_one_side() -> None:
    ring = Ring(
        x_nm=45,
        y_nm=45,
        major_nm=40,
        minor_nm=40,
        depth=0.6,
        edge_nm=5,
        lobes=(Harmonic(order=1, amplitude=0.5, phase_rad=-np.pi / 2),),  # largest at θ = 90°: up on the screen
    )
    picture = attenuation(ring, 0.3)
    up, down = across(picture, 0.3, 45, 45, 90).max(), across(picture, 0.3, 45, 45, 270).max()
    assert up > 2 * down


def test_marks_add_up_and_those_outside_add_nothing() -> None:
    frame = Frame(height=200, width=200, pixel_size_nm=0.3)
    canvas = Canvas.over(frame)
    disc = Disc(x_nm=30, y_nm=30, major_nm=10, minor_nm=10, depth=0.5, soft_nm=2)
    ellipses.draw(canvas, disc)
    once = canvas.values.copy()
    ellipses.draw(canvas, disc)
    np.testing.assert_allclose(canvas.values, 2 * once, rtol=1e-6)
    ellipses.draw(canvas, disc.model_copy(update={"x_nm": 500.0}))
    np.testing.assert_allclose(canvas.values, 2 * once, rtol=1e-6)


@pytest.mark.parametrize("pixel_size_nm", PIXEL_SIZES)
@pytest.mark.parametrize("direction", [(1.0, 0.0), (0.6, 0.8), (0.0, -1.0)])
def test_a_dislocation_has_its_depth_and_width(pixel_size_nm: float, direction: tuple[float, float]) -> None:
    points = tuple((45 + s * direction[0], 45 + s * direction[1]) for s in (-120.0, -20.0, 30.0, 120.0))
    picture = attenuation(Line(points_nm=points, depth=0.7, width_nm=6), pixel_size_nm)
    normal_deg = np.rad2deg(np.arctan2(-direction[1], direction[0])) + 90
    start = (45 + 20 * direction[1], 45 - 20 * direction[0])  # 20 nm to the left of the line
    profile = across(picture, pixel_size_nm, *start, normal_deg + 180)
    assert profile.max() == pytest.approx(0.7, rel=0.12)
    assert profile.argmax() * 0.25 == pytest.approx(20.0, abs=0.5 + pixel_size_nm)
    assert width_at_half(profile) == pytest.approx(6.0, abs=0.6 + 1.5 * pixel_size_nm)


def test_an_inclined_dislocation_fades_to_its_left() -> None:
    line = Line(points_nm=((-60, 45), (20, 45), (150, 45)), depth=0.6, width_nm=5, fade_nm=15)
    picture = attenuation(line, 0.3)
    left, right = picture[round(37 / 0.3), 150], picture[round(53 / 0.3), 150]  # it runs to +x: left is up
    assert left > 4 * right


def test_a_sharp_turn_stays_as_dark_as_the_rest() -> None:
    line = Line(points_nm=((10, 10), (45, 12), (47, 47), (80, 80)), depth=0.5, width_nm=5, fade_nm=10)
    picture = attenuation(line, 0.5)
    assert picture.min() >= 0
    assert picture.max() < 1.2
