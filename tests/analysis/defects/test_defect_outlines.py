"""The perimeter of discs and ellipses against the analytic one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.special import ellipe
from skimage.measure import find_contours

from analysis.defects import outlines
from analysis.defects.outlines import of_mask, of_masks, of_probabilities
from analysis.masks import EMPTY, encode

TOLERANCE = 0.02


def circumference(major: float, minor: float) -> float:
    """Of an ellipse of those full axes."""
    return 2 * major * float(ellipe(1 - (minor / major) ** 2))


def inside(major: float, minor: float, angle: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points lie inside an ellipse around the origin."""
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return (2 * along / major) ** 2 + (2 * across / minor) ** 2 <= 1


def digital(major: float, minor: float, angle: float, dx: float, dy: float) -> np.ndarray:
    """Pixels whose centres lie inside an ellipse that is moved by a part of a pixel."""
    r = int(major / 2) + 3
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    return inside(major, minor, angle, x - dx, y - dy)


def soft_map(major: float, minor: float, angle: float, box: np.ndarray, cells: int = 28) -> np.ndarray:
    """How much of each cell of a box around the origin an ellipse covers: an ideal network's answer."""
    u = (np.arange(cells * 8) + 0.5) / (cells * 8)
    x, y = np.meshgrid(box[0] + u * (box[2] - box[0]), box[1] + u * (box[3] - box[1]))
    return inside(major, minor, angle, x, y).reshape(cells, 8, cells, 8).mean(axis=(1, 3))


sub_pixel = st.floats(-0.5, 0.5)
angles = st.floats(0, np.pi)


@settings(max_examples=100, derandomize=True)
@given(st.floats(10, 60), st.floats(1, 6), angles, sub_pixel, sub_pixel)
def test_heywood_of_any_digital_ellipse_is_within_two_percent(
    minor: float, ratio: float, angle: float, dx: float, dy: float
) -> None:
    major = min(minor * ratio, 120.0)
    outline = of_mask(encode(digital(major, minor, angle, dx, dy)))
    expected = circumference(major, minor) / (np.pi * np.sqrt(major * minor))
    assert outline.heywood() == pytest.approx(expected, rel=TOLERANCE)


@settings(max_examples=100, derandomize=True)
@given(st.floats(10, 60), st.floats(1, 6), angles, sub_pixel, sub_pixel)
def test_the_perimeter_is_that_of_the_ellipse_of_as_many_pixels(
    minor: float, ratio: float, angle: float, dx: float, dy: float
) -> None:
    # the same pixels stand for ellipses of a few percent more or less: nothing can tell which one was meant
    major = min(minor * ratio, 120.0)
    pixels = digital(major, minor, angle, dx, dy)
    digitisation = np.sqrt(pixels.sum() / (np.pi / 4 * major * minor))
    assert of_mask(encode(pixels)).perimeter() == pytest.approx(
        circumference(major, minor) * digitisation, rel=TOLERANCE
    )


@pytest.mark.parametrize("diameter", [10, 11, 12.5, 15, 20, 30, 60])
def test_the_perimeter_of_discs_has_no_bias(diameter: float, rng: np.random.Generator) -> None:
    found = [of_mask(encode(digital(diameter, diameter, 0, *rng.uniform(-0.5, 0.5, 2)))).perimeter() for _ in range(60)]
    assert np.mean(found) == pytest.approx(np.pi * diameter, rel=0.007)
    assert np.mean(np.abs(np.array(found) / (np.pi * diameter) - 1) <= TOLERANCE) >= 0.85


@pytest.mark.parametrize("ratio", [1.5, 2.5, 4, 6])
def test_the_perimeter_of_ellipses_is_within_two_percent(ratio: float, rng: np.random.Generator) -> None:
    errors = []
    for _ in range(60):
        pixels = digital(10 * ratio, 10, rng.uniform(0, np.pi), *rng.uniform(-0.5, 0.5, 2))
        errors.append(of_mask(encode(pixels)).perimeter() / circumference(10 * ratio, 10) - 1)
    assert abs(np.mean(errors)) < 0.006
    assert np.mean(np.abs(errors) <= TOLERANCE) >= 0.95


@settings(max_examples=50, derandomize=True)
@given(
    st.floats(6, 60),
    st.floats(1, 4),
    angles,
    st.tuples(sub_pixel, sub_pixel),
    st.tuples(*[st.floats(0, 0.15)] * 4),
)
def test_the_perimeter_from_a_soft_map_is_within_two_percent_wherever_the_pixels_lie(
    minor: float, ratio: float, angle: float, at: tuple[float, float], room: tuple[float, ...]
) -> None:
    major = minor * ratio
    half = np.hypot(
        major / 2 * np.array((np.cos(angle), np.sin(angle))), minor / 2 * np.array((np.sin(angle), np.cos(angle)))
    )
    box = np.array((-half[0], -half[1], half[0], half[1])) * (1 + np.array(room))
    values = soft_map(major, minor, angle, box)
    (outline,) = of_probabilities(values[None], (box + np.tile(at, 2))[None])
    assert outline is not None
    assert outline.perimeter() == pytest.approx(circumference(major, minor), rel=TOLERANCE)
    middle = outline.smooth.mean(axis=0)
    assert middle == pytest.approx((at[0] - 0.5, at[1] - 0.5), abs=0.02 * major)


def test_non_square_pixels() -> None:
    # a disc of 30 nm in pixels of 0.5 nm by 1 nm is an ellipse of 60 by 30 px
    outline = of_mask(encode(digital(60, 30, 0, 0.2, 0.1)))
    assert outline.perimeter(0.5, 1.0) == pytest.approx(np.pi * 30, rel=0.015)
    assert outline.heywood(0.5, 1.0) == pytest.approx(1, abs=0.01)
    assert outline.heywood() == pytest.approx(circumference(60, 30) / (np.pi * np.sqrt(60 * 30)), rel=0.01)


def test_holes_and_specks_do_not_count() -> None:
    disc = digital(30, 30, 0, 0, 0)
    ring = disc & ~np.pad(digital(10, 10, 0, 0, 0), 10)
    spotted = disc.copy()
    spotted[1, 1] = spotted[-1, -1] = True
    expected = of_mask(encode(disc)).perimeter()
    assert of_mask(encode(ring)).perimeter() == pytest.approx(expected)
    assert of_mask(encode(spotted)).perimeter() == pytest.approx(expected)


def test_pieces_that_touch_at_a_corner_are_one() -> None:
    chain = np.kron(np.eye(3), np.ones((4, 4)))
    assert of_mask(encode(chain)).perimeter() > 2.5 * of_mask(encode(np.ones((4, 4)))).perimeter()


def test_a_single_pixel_has_an_outline() -> None:
    outline = of_mask(encode(np.ones((1, 1)), x_px=4, y_px=9))
    assert 1 < outline.perimeter() < 4
    assert outline.smooth.mean(axis=0) == pytest.approx((4, 9), abs=0.05)
    assert np.isfinite(outline.heywood())


def test_nothing_to_trace() -> None:
    full, empty = np.full((28, 28), 0.9), np.full((28, 28), 0.4)
    box = (0, 0, 9, 9)
    found = of_probabilities(np.stack((empty, full, empty)), np.array((box, box, box)))
    assert [outline is None for outline in found] == [True, False, True]
    assert of_probabilities(np.zeros((0, 28, 28)), np.zeros((0, 4))) == []
    with pytest.raises(ValueError, match="empty"):
        of_mask(EMPTY)


def in_order(points: np.ndarray) -> np.ndarray:
    """Points by their coordinates."""
    rounded = np.round(points, 6)
    return rounded[np.lexsort(rounded.T)]


@pytest.mark.parametrize("roughness", [0.6, 1.5, 3.0])
def test_the_line_is_that_of_scikit_image(roughness: float, rng: np.random.Generator) -> None:
    """Of the largest piece without its holes, on maps of every kind: ragged, of many pieces, with saddles."""
    maps = np.stack([ndimage.gaussian_filter(rng.normal(size=(28, 28)), roughness) for _ in range(40)])
    maps = 1 / (1 + np.exp(-3 * maps / maps.std(axis=(1, 2), keepdims=True)))
    found = of_probabilities(maps, np.tile((0.0, 0.0, 28.0, 28.0), (40, 1)))
    for values, outline in zip(maps, found, strict=True):
        padded = np.pad(values, 1)
        pieces, _ = ndimage.label(padded >= 0.5, np.ones((3, 3)))
        largest = pieces == np.bincount(pieces[pieces > 0]).argmax()
        padded[(pieces > 0) & ~largest] = 0
        padded[ndimage.binary_fill_holes(largest) & ~largest] = 1
        (line,) = find_contours(padded, 0.5, fully_connected="high")
        assert outline is not None
        assert in_order(outline.traced) == pytest.approx(in_order(line[:-1, ::-1] - 1), abs=1e-5)
        # and the points follow each other along it
        gaps = np.hypot(*(outline.traced - np.roll(outline.traced, 1, axis=0)).T)
        assert gaps.max() < 1.5


def test_masks_of_any_size_are_traced_together(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    masks = [encode(rng.random(rng.integers(2, 40, 2)) > 0.2, x_px=int(x)) for x in rng.integers(0, 500, 30)]
    alone = [of_mask(mask) for mask in masks]
    for cells in (10, 3000, outlines._CELLS):
        monkeypatch.setattr(outlines, "_CELLS", cells)
        for one, other in zip(of_masks(masks), alone, strict=True):
            assert one.traced == pytest.approx(other.traced)
            assert one.smooth == pytest.approx(other.smooth)
