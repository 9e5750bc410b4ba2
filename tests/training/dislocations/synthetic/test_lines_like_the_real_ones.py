"""Synthetic frames of M1 beside the real ones of `dislocation_frames`, measured in the same way.

In both, lines are found by a ridge filter without any label; straight ones, slip traces, are left out. Of each the
profile across is measured: depth, width, tails. Noise is measured where there is nothing else.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from analysis.dislocations.skeletons import centre_lines
from training.dislocations import curves
from training.dislocations.synthetic import draw_parameters, render
from training.dislocations.synthetic.contrast import dip
from training.dislocations.tracing import profiles

OFFSETS = np.arange(-16.0, 16.25, 0.5)


@pytest.fixture(scope="module")
def real(shared_data: Path) -> list[np.ndarray]:
    names = ("in_situ_1.jpg", "in_situ_2.jpg")
    return [np.asarray(Image.open(shared_data / "dislocation_frames" / name).convert("L"), float) for name in names]


@pytest.fixture(scope="module")
def synthetic() -> list[np.ndarray]:
    """Frames whose Perlin background is as faint as that of the real ones."""
    drawn = (draw_parameters(seed, microstructure="M1") for seed in range(40))
    quiet = [one for one in drawn if one.background.perlin is not None and one.background.perlin.contrast < 0.09]
    return [render(parameters).pixels.astype(float) for parameters in quiet[:6]]


def found(pixels: np.ndarray) -> list[np.ndarray]:
    """The curved dark lines of a frame, (n, 2) each."""
    relative = pixels / ndimage.gaussian_filter(pixels, 16, mode="nearest")
    xx, yy, xy = (ndimage.gaussian_filter(relative, 2.2, order, mode="nearest") for order in ((0, 2), (2, 0), (1, 1)))
    ridge = 0.5 * (xx + yy + np.sqrt((xx - yy) ** 2 + 4 * xy**2)) * 2.2**2
    ridge[:8] = ridge[-8:] = ridge[:, :8] = ridge[:, -8:] = 0
    kept = []
    labels, _ = ndimage.label(ridge > 0.04, np.ones((3, 3)))
    large = np.bincount(labels.ravel()) > 300
    large[0] = False
    for line in centre_lines(large[labels], shortest_px=60):
        smooth = curves.resampled(ndimage.gaussian_filter1d(line, 3.0, axis=0, mode="nearest"))
        if np.linalg.norm(smooth[-1] - smooth[0]) < 0.985 * curves.lengths(smooth)[-1]:
            kept.append(smooth)
    return kept


def mean_profiles(frames: list[np.ndarray]) -> np.ndarray:
    """Of every line the median profile across it, its ends left out."""
    return np.array(
        [np.nanmedian(profiles(pixels, line, OFFSETS)[15:-15], axis=0) for pixels in frames for line in found(pixels)]
    )


def test_lines_are_as_dark_as_wide_and_have_the_same_tails(real: list[np.ndarray], synthetic: list[np.ndarray]) -> None:
    expected, made = mean_profiles(real), mean_profiles(synthetic)
    assert len(expected) == 7
    assert len(made) >= 12
    a, b = expected.mean(axis=0), made.mean(axis=0)
    print("real", a[::4].round(3), "synthetic", b[::4].round(3))
    assert np.abs(a - b).max() < 0.03
    for profile_a, profile_b in ((a, b), (a[::-1], b[::-1])):
        # half way down, and in the tails, where a Gaussian of that width has nothing left
        assert (1 - profile_b)[37] == pytest.approx((1 - profile_a)[37], abs=0.025)
        assert (1 - profile_b)[44] == pytest.approx((1 - profile_a)[44], abs=0.01)
    widths = [((1 - one) > (1 - one).max() / 2).sum() * 0.5 for one in (a, b)]
    assert widths[1] == pytest.approx(widths[0], abs=1.0)


def test_a_gaussian_profile_would_not_do(real: list[np.ndarray]) -> None:
    """The reason for Pearson's function: the real tails."""
    dark = 1 - mean_profiles(real).mean(axis=0)
    width = (dark > dark.max() / 2).sum() * 0.5
    tails = (np.abs(OFFSETS) > width) & (np.abs(OFFSETS) < 2 * width)
    gauss, pearson = (dark.max() * dip(OFFSETS, width, exponent)[tails].mean() for exponent in (1000.0, 1.8))
    assert dark[tails].mean() > 2.5 * gauss
    assert dark[tails].mean() == pytest.approx(pearson, rel=0.35)


def noise(pixels: np.ndarray) -> list[tuple[float, float, float]]:
    """Relative rms and correlation with the next and the next but one pixel, in the four emptiest windows."""
    rest = pixels - ndimage.gaussian_filter(pixels, 8)
    mean = ndimage.uniform_filter(pixels, 64)
    spread = ndimage.uniform_filter(ndimage.gaussian_filter(rest, 3) ** 2, 64) / mean**2
    spread[:34] = spread[-34:] = spread[:, :34] = spread[:, -34:] = np.inf
    rows = []
    for _ in range(4):
        y, x = np.unravel_index(int(spread.argmin()), spread.shape)
        window = rest[y - 32 : y + 32, x - 32 : x + 32]
        lags = [float(np.corrcoef(window[:, lag:].ravel(), window[:, :-lag].ravel())[0, 1]) for lag in (1, 2)]
        rows.append((float(window.std() / mean[y, x]), *lags))
        spread[max(0, y - 64) : y + 64, max(0, x - 64) : x + 64] = np.inf
    return rows


def test_the_noise_is_as_strong_and_as_grainy(real: list[np.ndarray], synthetic: list[np.ndarray]) -> None:
    expected, made = (np.array([row for one in frames for row in noise(one)]) for frames in (real, synthetic))
    print("real", np.median(expected, axis=0), "synthetic", np.median(made, axis=0))
    assert np.median(made[:, 0]) == pytest.approx(np.median(expected[:, 0]), rel=0.35)
    assert np.median(made[:, 1]) == pytest.approx(np.median(expected[:, 1]), abs=0.08)
    assert np.median(made[:, 2]) == pytest.approx(np.median(expected[:, 2]), abs=0.15)


def test_the_light_falls_alike(real: list[np.ndarray], synthetic: list[np.ndarray]) -> None:
    """Grey values in the middle, at the sides and in the corners."""

    def levels(pixels: np.ndarray) -> np.ndarray:
        parts = pixels[:512, :512].reshape(4, 128, 4, 128).mean(axis=(1, 3))
        corners = parts[[0, 0, -1, -1], [0, -1, 0, -1]]
        return np.array([parts[1:3, 1:3].mean(), parts[1:3, [0, -1]].mean(), corners.mean()])

    expected, made = (np.mean([levels(one) for one in frames], axis=0) for frames in (real, synthetic))
    print("real", expected.round(), "synthetic", made.round())
    np.testing.assert_allclose(made, expected, atol=28)
