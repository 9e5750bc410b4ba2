"""Noise and grey values have the stated statistics."""

from __future__ import annotations

import numpy as np
import pytest

from training.atoms.synthetic.detector import background, record
from training.atoms.synthetic.parameters import Background, Blob, Detector, Frame, Wave


def flat(detector: Detector, level: float = 0.5, size: int = 256) -> np.ndarray:
    """A flat picture between two reference columns at 0 and 1, as fractions between those two."""
    expected = np.full((size, size), level, dtype=np.float32)
    expected[:, :8], expected[:, -8:] = 0.0, 1.0
    grey = record(expected, detector, np.random.default_rng(4)) / (2**detector.bits - 1)
    low, high = grey[:, :8].mean(), grey[:, -8:].mean()
    return (grey[:, 16:-16] - low) / (high - low)


@pytest.mark.parametrize("counts", [20.0, 400.0])
def test_counting_noise_is_poisson(counts: float) -> None:
    values = flat(Detector(counts=counts))
    assert values.mean() == pytest.approx(0.5, rel=0.01)
    assert values.std() == pytest.approx(np.sqrt(0.5 / counts), rel=0.03)


def test_electronics_noise_is_gaussian() -> None:
    values = flat(Detector(counts=1e9, gaussian=0.05))
    assert values.std() == pytest.approx(0.05, rel=0.03)


def test_lines_step() -> None:
    values = flat(Detector(counts=1e9, line_offset=0.03))
    assert values.mean(axis=1).std() == pytest.approx(0.03, rel=0.15)
    assert values.std(axis=1).max() < 1e-3
    gain = flat(Detector(counts=1e9, line_gain=0.05))
    assert gain.mean(axis=1).std() == pytest.approx(0.5 * 0.05, rel=0.2)


def test_slow_detector_smears_along_the_line_only() -> None:
    values = flat(Detector(counts=50.0, response_px=1.0)) - 0.5
    along = np.mean(values[:, 1:] * values[:, :-1]) / values.var()
    across = np.mean(values[1:] * values[:-1]) / values.var()
    assert along == pytest.approx(np.exp(-0.25), abs=0.05)
    assert abs(across) < 0.03


def test_salt_and_pepper_share() -> None:
    expected = np.full((300, 300), 0.5, dtype=np.float32)
    expected[:2], expected[2:4] = 0.0, 1.0
    grey = record(expected, Detector(counts=1e9, salt_and_pepper=0.02, bits=8), np.random.default_rng(1))[4:]
    assert np.mean(grey == 0) == pytest.approx(0.01, abs=0.002)
    assert np.mean(grey == 255) == pytest.approx(0.01, abs=0.002)


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (16, 65535)])
def test_grey_values_are_whole_and_between_black_and_white(bits: int, top: int) -> None:
    ramp = np.tile(np.linspace(0, 1, 200, dtype=np.float32), (50, 1))
    grey = record(ramp, Detector(counts=1e6, black=0.1, white=0.9, bits=bits), np.random.default_rng(0))
    assert np.array_equal(grey, np.round(grey))
    assert grey.min() == pytest.approx(0.1 * top, abs=1)
    assert grey.max() == pytest.approx(0.9 * top, abs=1)


def test_gamma_and_clipping() -> None:
    ramp = np.tile(np.linspace(0, 1, 401, dtype=np.float32), (51, 1))
    plain = record(ramp, Detector(counts=1e9), np.random.default_rng(0)) / 65535
    bent = record(ramp, Detector(counts=1e9, gamma=2.0), np.random.default_rng(0)) / 65535
    assert np.allclose(bent, plain**2, atol=1e-3)
    clipped = record(ramp, Detector(counts=1e9, black_quantile=0.1, white_quantile=0.8), np.random.default_rng(0))
    assert np.mean(clipped == 0) == pytest.approx(0.1, abs=0.01)
    assert np.mean(clipped == 65535) == pytest.approx(0.2, abs=0.01)


def test_background_is_never_negative_and_has_the_stated_texture() -> None:
    frame = Frame(height=128, width=128, pixel_size_nm=0.02)
    rng = np.random.default_rng(0)
    wave = Wave(amplitude=0.3, frequency_x=1.0, frequency_y=0.5, phase_rad=1.0)
    dark = background(frame, Background(level=0.0, waves=(wave,)), rng)
    assert dark.min() == 0.0
    assert dark.max() == pytest.approx(0.3, abs=0.01)
    film = background(frame, Background(level=1.0, speckle=0.05, speckle_nm=0.06), rng)
    assert film.std() == pytest.approx(0.05, rel=0.01)
    assert film.mean() == pytest.approx(1.0, abs=0.03)
    hill = Blob(x_px=40.0, y_px=90.0, height=0.7, width_x_px=10.0, width_y_px=5.0)
    field = background(frame, Background(level=0.1, blobs=(hill,)), rng)
    assert np.unravel_index(np.argmax(field), field.shape) == (90, 40)
    assert field.max() == pytest.approx(0.8, abs=1e-5)
