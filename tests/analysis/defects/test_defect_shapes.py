"""Axes, diameters and areas of masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import regionprops

from analysis.defects.shapes import Shape, measure
from analysis.masks import EMPTY, encode


def ellipse(major: float, minor: float, angle_deg: float, *, x: float = 60, y: float = 50) -> np.ndarray:
    """Pixels of an ellipse; the angle is counter-clockwise as seen on the screen."""
    rows, columns = np.mgrid[:110, :120]
    dx, dy, angle = columns - x, y - rows, np.radians(angle_deg)  # dy upwards
    along, across = dx * np.cos(angle) + dy * np.sin(angle), dy * np.cos(angle) - dx * np.sin(angle)
    return (2 * along / major) ** 2 + (2 * across / minor) ** 2 <= 1


def shape_of(pixels: np.ndarray, pixel_size_nm: tuple[float, float] | None = None) -> Shape:
    """What the set pixels measure."""
    (shape,) = measure([encode(pixels)], pixel_size_nm=pixel_size_nm)
    return shape


@settings(max_examples=60)
@given(st.floats(12, 40), st.floats(1.5, 2.2), st.floats(0, 179.9), st.floats(55, 65), st.floats(48, 54))
def test_axes_angle_and_centre_of_ellipses(minor: float, ratio: float, angle: float, x: float, y: float) -> None:
    shape = shape_of(ellipse(minor * ratio, minor, angle, x=x, y=y))
    assert shape.major_px == pytest.approx(minor * ratio, abs=0.8)
    assert shape.minor_px == pytest.approx(minor, abs=0.8)
    # A pixel at the rim turns an ellipse the more, the less its axes differ in px.
    assert abs((shape.angle_deg - angle + 90) % 180 - 90) < 35 / (minor * ratio - minor)
    assert (shape.x_px, shape.y_px) == pytest.approx((x, y), abs=0.4)
    assert 0 <= shape.angle_deg < 180


def test_the_ellipse_is_that_of_the_second_moments_of_square_pixels(rng: np.random.Generator) -> None:
    pixels = rng.random((9, 13)) > 0.4
    shape, known = shape_of(pixels), regionprops(pixels.astype(int))[0]
    assert shape.major_px == pytest.approx(known.axis_major_length)
    assert shape.minor_px == pytest.approx(known.axis_minor_length)
    assert (shape.y_px, shape.x_px) == pytest.approx(known.centroid)
    assert shape.equivalent_diameter_px == pytest.approx(known.equivalent_diameter_area)
    assert shape.area_px == known.area
    # scikit-image measures from the vertical, counter-clockwise
    assert shape.angle_deg == pytest.approx((np.degrees(known.orientation) + 90) % 180)


def test_an_ellipse_that_rises_to_the_right_has_an_angle_below_ninety() -> None:
    rising = np.zeros((20, 20))
    rising[np.arange(19, -1, -1), np.arange(20)] = 1  # from the lower left to the upper right
    assert shape_of(rising).angle_deg == pytest.approx(45)
    assert shape_of(np.ones((3, 20))).angle_deg == pytest.approx(0)
    assert shape_of(np.ones((20, 3))).angle_deg == pytest.approx(90)


def test_feret_diameters_of_a_rectangle_and_a_disc() -> None:
    bar = shape_of(np.ones((12, 40)))
    assert bar.feret_min_px == pytest.approx(12)
    assert bar.feret_max_px == pytest.approx(np.hypot(12, 40), rel=0.03)
    disc = shape_of(ellipse(40, 40, 0, x=60.3, y=50.2))
    assert disc.feret_max_px == pytest.approx(40, rel=0.03)
    assert disc.feret_min_px == pytest.approx(40, rel=0.03)


@settings(max_examples=40)
@given(st.floats(15, 80), st.floats(0.25, 1), st.floats(0, 180))
def test_feret_diameters_of_ellipses_at_any_angle(major: float, ratio: float, angle: float) -> None:
    shape = shape_of(ellipse(major, major * ratio, angle))
    assert shape.feret_max_px == pytest.approx(major, abs=1.3)
    assert shape.feret_min_px == pytest.approx(major * ratio, abs=1.3)
    assert shape.feret_min_px <= shape.feret_max_px


def test_nm_are_px_times_the_pixel_size() -> None:
    shape = shape_of(ellipse(50, 20, 30), (0.4, 0.4))
    for name in ("major", "minor", "equivalent_diameter", "feret_max", "feret_min", "perimeter"):
        assert getattr(shape, f"{name}_nm") == pytest.approx(0.4 * getattr(shape, f"{name}_px"))
    assert shape.area_nm2 == pytest.approx(0.16 * shape.area_px)


def test_without_a_pixel_size_there_are_no_nm() -> None:
    shape = shape_of(ellipse(50, 20, 30))
    assert [value for name, value in vars(shape).items() if name.endswith(("_nm", "_nm2"))] == [None] * 7


def test_non_square_pixels() -> None:
    # an ellipse of 40 by 20 nm at 45° in pixels of 0.5 by 0.25 nm
    rows, columns = np.mgrid[:240, :120]
    dx, dy = (columns - 60) * 0.5, (120 - rows) * 0.25
    along, across = (dx + dy) / np.sqrt(2), (dy - dx) / np.sqrt(2)
    shape = shape_of((along / 20) ** 2 + (across / 10) ** 2 <= 1, (0.5, 0.25))
    assert shape.major_nm == pytest.approx(40, rel=0.01)
    assert shape.minor_nm == pytest.approx(20, rel=0.01)
    assert shape.angle_deg == pytest.approx(45, abs=0.5)
    assert shape.area_nm2 == pytest.approx(np.pi * 20 * 10, rel=0.01)
    assert shape.equivalent_diameter_nm == pytest.approx(np.sqrt(40 * 20), rel=0.01)
    assert shape.feret_max_nm == pytest.approx(40, rel=0.03)
    assert shape.feret_min_nm == pytest.approx(20, rel=0.03)
    assert shape.heywood == pytest.approx(1.0904, rel=0.01)
    assert shape.major_px is not None
    assert shape.major_px > 80


@pytest.mark.parametrize("pixels", [np.ones((1, 1)), np.ones((1, 7)), np.ones((7, 1)), np.eye(5)])
def test_the_smallest_masks_have_a_finite_shape(pixels: np.ndarray) -> None:
    shape = shape_of(pixels, (0.3, 0.3))
    assert all(value is not None and np.isfinite(value) for value in vars(shape).values())
    assert shape.minor_px > 0


def test_an_empty_mask_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        measure([EMPTY])


def test_many_masks_are_measured_as_each_alone(rng: np.random.Generator) -> None:
    masks = [
        encode(rng.random(rng.integers(1, 40, 2)) > 0.3, x_px=rng.integers(-9, 900), y_px=rng.integers(-9, 900))
        for _ in range(30)
    ]
    masks = [mask for mask in masks if mask.area_px]
    for together, alone in zip(
        measure(masks, pixel_size_nm=(0.3, 0.5)),
        (measure([mask], pixel_size_nm=(0.3, 0.5))[0] for mask in masks),
        strict=True,
    ):
        assert vars(together) == pytest.approx(vars(alone))
    assert measure([]) == []
