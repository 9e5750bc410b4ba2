"""The Gaussian fit: right values on pictures whose columns are known, and never worse than what it started from."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.atoms.gaussians import Prior, fit, gaussian
from analysis.atoms.refinement import refine
from analysis.atoms.windows import normalised
from tests.analysis.atoms.synthetic_columns import draw, lattice


def rms(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.sqrt(((found - true) ** 2).sum(axis=1).mean()))


def off(xy: np.ndarray, error_px: float, seed: int = 0) -> np.ndarray:
    return xy + np.random.default_rng(seed).normal(0, error_px / np.sqrt(2), xy.shape)


def square(spacing: float, cells: int = 16) -> tuple[tuple[int, int], np.ndarray]:
    shape = (int(cells * spacing), int((cells + 2) * spacing))
    turn = spacing * np.array([np.cos(0.3), np.sin(0.3)])
    return shape, lattice(shape, turn, (-turn[1], turn[0]), margin=0.4 * spacing)


@pytest.mark.parametrize("bin_px", [2, 3, 40])
def test_bins_hold_the_mean_of_their_pixels(bin_px):
    pixels = np.random.default_rng(0).normal(7, 2, (130, 171)).astype(np.float32)
    binned, offset, unit = normalised(pixels, bin_px)
    rows, columns = (n // bin_px for n in pixels.shape)
    whole = pixels[: rows * bin_px, : columns * bin_px].reshape(rows, bin_px, columns, bin_px)
    np.testing.assert_allclose(binned * unit + offset, whole.mean(axis=(1, 3)), rtol=1e-4)


@pytest.mark.parametrize("spacing", [7.0, 9.0, 13.0, 18.0, 28.5, 60.0])
def test_clean_columns_come_out_exact(spacing):
    """Position, height, background, widths and angle, whatever the number of pixels between columns."""
    shape, xy = square(spacing)
    along, across = 0.2 * spacing, 0.15 * spacing
    picture = draw(shape, xy, (along, across), 700.0, angle_deg=35) + 5000
    found = refine(picture.astype(np.float32), off(xy, 0.05 * spacing))
    assert found.ok.all()
    assert rms(found.xy, xy) < 3e-3 * spacing
    assert np.median(found.amplitude) == pytest.approx(700, rel=0.03)
    assert np.median(found.background) == pytest.approx(5000, rel=0.01)
    assert np.median(found.sigma_major_px) == pytest.approx(along, rel=0.03)
    assert np.median(found.sigma_minor_px) == pytest.approx(across, rel=0.03)
    assert np.median(found.angle_deg) == pytest.approx(35, abs=1)
    assert np.median(found.quality) > 0.99


@pytest.mark.parametrize("spacing", [9.0, 18.0, 28.5])
@pytest.mark.parametrize("dose", [50, 5])
def test_precision_is_near_what_the_counted_electrons_allow(spacing, dose):
    """At most 1.35 times the Cramér–Rao bound of Poisson noise for Gaussians of known shape."""
    shape, xy = square(spacing, cells=24)
    sigma, background = 0.18 * spacing, 0.1 * dose
    picture = np.random.default_rng(1).poisson(draw(shape, xy, sigma, dose) + background)
    offset = np.arange(-3 * int(spacing), 3 * int(spacing) + 1)
    peak = dose * np.exp(-(offset**2 + offset[:, None] ** 2) / 2 / sigma**2)
    information = ((peak * offset / sigma**2) ** 2 / (peak + background)).sum()
    bound = np.sqrt(2 / information)
    found = refine(picture.astype(np.float32), off(xy, 0.05 * spacing))
    assert found.ok.mean() > 0.99
    assert rms(found.xy, xy) < 1.35 * bound
    if dose == 50:
        assert rms(found.xy, xy) < 0.22


@pytest.mark.parametrize(("sigma", "limit_px"), [(4.0, 0.06), (5.0, 0.1), (6.0, 0.35)])
def test_dumbbells_14_px_apart_do_not_pull_each_other(sigma, limit_px):
    shape = (500, 520)
    xy = lattice(shape, (54.3, 3.0), (27.2, 19.2), basis=((0, 0), (0.26, 0)), margin=8)
    picture = draw(shape, xy, sigma, 100.0) + 40
    found = refine(picture.astype(np.float32), off(xy, 1.2))
    assert found.ok.mean() > 0.99
    assert rms(found.xy, xy) < limit_px
    separation = np.hypot(*(found.xy[:, None] - found.xy).T)
    assert np.median(np.sort(separation, axis=0)[1]) == pytest.approx(0.26 * np.hypot(54.3, 3.0), rel=0.02)


def test_bright_and_faint_neighbours():
    shape, xy = square(18.0)
    height = np.where(np.arange(len(xy)) % 2, 150.0, 30.0)
    found = refine(draw(shape, xy, 3.6, height).astype(np.float32), off(xy, 0.8))
    assert rms(found.xy, xy) < 0.1
    np.testing.assert_allclose(found.amplitude[found.ok], height[found.ok], rtol=0.1)


def test_a_slope_of_the_background_does_not_pull():
    shape, xy = square(18.0)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    picture = draw(shape, xy, 3.6, 100.0) + 2.0 * columns - 1.0 * rows
    assert rms(refine(picture.astype(np.float32), off(xy, 0.8)).xy, xy) < 0.05


@pytest.mark.parametrize("jitter_px", [1.0, 2.0])
def test_lines_that_jitter_leave_it_better_than_it_started(jitter_px):
    shape, xy = square(18.0)
    wide = draw((shape[0], shape[1] + 40), xy + np.array([20, 0]), 3.6, 100.0)
    shift = np.random.default_rng(3).normal(0, jitter_px, shape[0])
    columns = np.arange(shape[1]) + 20
    picture = np.stack(
        [np.interp(columns - s, np.arange(wide.shape[1]), row) for s, row in zip(shift, wide, strict=True)]
    )
    picture += np.random.default_rng(4).normal(0, 10, shape)
    start = off(xy, 0.9)
    found = refine(picture.astype(np.float32), start, position_error_px=0.65)
    assert rms(found.xy, xy) < rms(start, xy)


def test_where_noise_drowns_the_columns_positions_stay():
    """With next to no electrons the fit may not throw good positions away."""
    shape, xy = square(12.0)
    picture = np.random.default_rng(0).poisson(draw(shape, xy, 2.2, 0.3) + 0.3)
    start = off(xy, 0.3)
    found = refine(picture.astype(np.float32), start, position_error_px=0.3)
    assert rms(found.xy, xy) < 1.2 * rms(start, xy)
    np.testing.assert_array_equal(found.xy[~found.ok], start[~found.ok])


def test_where_there_is_no_column_the_fit_says_so():
    shape, xy = square(20.0)
    picture = draw(shape, xy, 3.5, 100.0) + np.random.default_rng(0).normal(0, 5, shape)
    between = xy + 10 * np.array([np.cos(0.3) - np.sin(0.3), np.sin(0.3) + np.cos(0.3)])
    inside = ((between > 15) & (between < np.array(shape[::-1]) - 15)).all(axis=1)
    start = np.concatenate([xy, between[inside]])
    found = refine(picture.astype(np.float32), start)
    assert found.ok[: len(xy)].mean() > 0.98
    assert found.ok[len(xy) :].mean() < 0.1
    assert np.isnan(found.amplitude[~found.ok]).all()


def test_columns_at_the_border_and_beyond_windows():
    shape = (60, 64)
    xy = np.array([[0.4, 0.2], [63.0, 59.0], [30.0, 0.0], [0.0, 30.0], [32.0, 30.0]])
    found = refine((draw(shape, xy, 3.0, 50.0) + 10).astype(np.float32), xy + 0.4)
    assert np.abs(found.xy[found.ok] - xy[found.ok]).max() < 0.3
    assert found.ok[4]


@pytest.mark.parametrize("picture", [np.zeros((30, 30)), np.ones((1, 1)), np.full((2, 50), 7.0)])
def test_nothing_to_fit(picture):
    found = refine(picture.astype(np.float32), np.array([[0.0, 0.0], [0.4, 0.3]]))
    assert not found.ok.any()
    np.testing.assert_array_equal(found.xy, [[0, 0], [0.4, 0.3]])
    assert len(refine(picture.astype(np.float32), np.empty((0, 2))).xy) == 0


def test_units_of_the_picture_do_not_matter():
    shape, xy = square(14.0)
    picture = draw(shape, xy, 2.6, 1.0) + np.random.default_rng(0).normal(0, 0.1, shape)
    start = off(xy, 0.6)
    small = refine((picture * 1e-9).astype(np.float32), start)
    large = refine((picture * 1e4 + 3e4).astype(np.float32), start)
    np.testing.assert_allclose(small.xy, large.xy, atol=0.01)
    np.testing.assert_allclose(small.amplitude * 1e13, large.amplitude, rtol=0.01)


def test_the_jacobian_is_the_derivative():
    """Exact data are recovered in few steps, which a wrong derivative would not allow."""
    offsets = np.mgrid[-6:7, -6:7].reshape(2, -1).astype(np.float32)
    y, x = offsets
    random = np.random.default_rng(0)
    true = random.normal(0, 1, (200, 7)) * (0.3, 0.5, 0.7, 0.7, 0.15, 0.1, 0.15) + (2, 1, 0, 0, -0.8, 0.1, -0.7)
    data = gaussian(true, x, y) + true[:, 1, None].astype(np.float32)
    start = true + random.normal(0, 1, (200, 7)) * (0.3, 0.2, 0.6, 0.6, 0.15, 0.05, 0.15)
    free = Prior(start, np.full(7, np.inf))
    found, error, squares = fit(data, None, x, y, start, free, 8)
    np.testing.assert_allclose(found, true, atol=2e-3)
    assert error.max() < 1e-2
    assert squares.max() < 1e-5
