"""Grey values and pixel size of the network's input, and the way back to the micrograph."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.optimize import curve_fit

from analysis.atoms.preprocess import InputSpec, choose_scale, prepare
from analysis.intensity import scale
from analysis.micrograph import Micrograph
from emserve.exceptions import InvalidParameter


def gaussian(grid, height, x, y, sigma_x, sigma_y, background):
    return height * np.exp(-((grid[0] - x) ** 2) / 2 / sigma_x**2 - (grid[1] - y) ** 2 / 2 / sigma_y**2) + background


def centre_of_peak(picture: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    y, x = np.unravel_index(picture.argmax(), picture.shape)
    start = (picture.max() - picture.min(), x, y, 3, 3, picture.min())
    fitted = curve_fit(gaussian, (columns.ravel(), rows.ravel()), picture.ravel().astype(float), p0=start)[0]
    return fitted[1:3]


def a_peak(x: float, y: float, shape=(61, 83), sigma=(4.0, 4.0)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return gaussian((columns, rows), 1000.0, x, y, *sigma, 200.0).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(
    x=st.floats(30, 50),
    y=st.floats(25, 35),
    size_x=st.sampled_from([0.008, 0.0123, 0.016, 0.021]),
    size_y=st.sampled_from([0.0079, 0.012, 0.016, 0.0203]),
)
def test_a_peak_comes_back_to_its_place(x, y, size_x, size_y):
    """Through the resampled picture and back, to a thousandth of a pixel, with square and other pixels."""
    sigma = 0.05 / size_x, 0.05 / size_y
    micrograph = Micrograph(a_peak(x, y, sigma=sigma), size_x, size_y, "file")
    spec = InputSpec(best_pixel_size_nm=0.016, pixel_size_range_nm=(0.01, 0.026), multiple_of=8, halo_px=8)
    prepared = prepare(micrograph, spec)
    found = centre_of_peak(prepared.pixels)
    assert np.abs(prepared.to_micrograph(found[None])[0] - (x, y)).max() < 1e-3


def test_the_map_back_is_exact(spec):
    prepared = prepare(Micrograph(np.eye(100, 130, dtype=np.float32), 0.0071, 0.0113, "file"), spec)
    height, width = prepared.pixels.shape
    corners = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5], [(width - 1) / 2, (height - 1) / 2]])
    expected = [[-0.5, -0.5], [129.5, 99.5], [64.5, 49.5]]
    np.testing.assert_allclose(prepared.to_micrograph(corners), expected, atol=1e-9)


def test_non_square_pixels_become_square_at_the_best_size(spec):
    pixels = np.random.default_rng(0).normal(size=(300, 500)).astype(np.float32)
    prepared = prepare(Micrograph(pixels, 0.010, 0.020, "file"), spec)
    assert prepared.pixels.shape == (375, 312)
    assert prepared.scale_x == pytest.approx(0.010 / 0.016, rel=2e-3)
    assert prepared.scale_y == pytest.approx(0.020 / 0.016, rel=2e-3)
    assert not prepared.notices


def test_at_the_best_size_nothing_is_resampled(spec):
    pixels = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)
    prepared = prepare(Micrograph(pixels, 0.0161, 0.0159, "argument"), spec)
    np.testing.assert_array_equal(prepared.pixels, scale(pixels, spec.percentiles))
    assert (prepared.scale_x, prepared.scale_y) == (1, 1)


def test_an_unknown_pixel_size_is_guessed_from_the_lattice(spec):
    y, x = np.mgrid[:400, :400]
    waves = np.cos(2 * np.pi * (0.9 * x + 0.436 * y) / 25) + np.cos(2 * np.pi * (0.436 * x - 0.9 * y) / 25)
    scale_x, scale_y, notices = choose_scale(Micrograph(waves.astype(np.float32)), spec)
    assert scale_x == scale_y == pytest.approx(0.30 / 25 / 0.016, rel=0.01)
    assert [notice.code for notice in notices] == ["scale_estimated"]


def test_without_a_lattice_the_picture_stays_as_it_is(spec):
    noise = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)
    scale_x, scale_y, notices = choose_scale(Micrograph(noise), spec)
    assert (scale_x, scale_y) == (1, 1)
    assert [notice.code for notice in notices] == ["scale_unknown"]


@pytest.mark.parametrize("size", [(1.0, 1.0), (0.01, 5.0), (1e-4, 1e-4)])
def test_a_pixel_size_at_which_no_column_shows(spec, size):
    """Refused where the user passed it; doubted, and said so, where the file has it."""
    noise = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    with pytest.raises(InvalidParameter) as caught:
        prepare(Micrograph(noise, *size, "argument"), spec)
    assert caught.value.field == "pixel_size_nm"
    prepared = prepare(Micrograph(noise, *size, "file"), spec)
    assert "pixel_size_implausible" in {notice.code for notice in prepared.notices}
    assert not any("is not known" in notice.message for notice in prepared.notices)


def test_a_doubted_pixel_size_is_not_called_unknown(spec):
    y, x = np.mgrid[:400, :400]
    waves = np.cos(2 * np.pi * (0.9 * x + 0.436 * y) / 25) + np.cos(2 * np.pi * (0.436 * x - 0.9 * y) / 25)
    _, _, notices = choose_scale(Micrograph(waves.astype(np.float32), 1.0, 1.0, "file"), spec)
    assert [notice.code for notice in notices] == ["pixel_size_implausible", "scale_estimated"]
    assert "nm and pm rests on it" in notices[0].message
    assert "is not known" not in notices[1].message


@pytest.mark.parametrize(("size", "codes"), [(0.026, []), (0.027, ["pixel_size_coarse"]), (0.002, [])])
def test_pixels_coarser_than_the_model_knows(spec, size, codes):
    noise = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    assert [notice.code for notice in choose_scale(Micrograph(noise, size, size, "file"), spec)[2]] == codes


def test_enlarging_is_bounded(spec):
    pixels = np.random.default_rng(0).normal(size=(3000, 3000)).astype(np.float32)
    scale_x, scale_y, notices = choose_scale(Micrograph(pixels, 0.09, 0.09, "file"), spec)
    assert scale_x * scale_y * pixels.size <= 36.1e6
    assert [notice.code for notice in notices] == ["scale_limited"]
    scale_x, _, notices = choose_scale(Micrograph(pixels[:50, :50], 0.09, 0.09, "file"), spec)
    assert scale_x == pytest.approx(4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"percentiles": (99, 1)},
        {"percentiles": (-1, 99)},
        {"best_pixel_size_nm": 0.5},
        {"best_pixel_size_nm": float("nan")},
        {"multiple_of": 0},
        {"halo_px": -1},
        {"colour": "red"},
    ],
)
def test_a_wrong_specification_is_refused(wrong):
    right = {"best_pixel_size_nm": 0.016, "pixel_size_range_nm": (0.01, 0.026), "multiple_of": 8, "halo_px": 40}
    InputSpec(**right)
    with pytest.raises(ValidationError):
        InputSpec(**(right | wrong))
