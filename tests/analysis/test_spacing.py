"""The strongest lattice spacing, in pixels, from the power spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.spacing import estimate_spacing


def planes(shape: tuple[int, int], spacing_px: float, angle_deg: float) -> np.ndarray:
    """A wave whose planes lie `spacing_px` apart; the angle is counter-clockwise from x as seen on the screen."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    along = x * np.cos(np.radians(angle_deg)) - y * np.sin(np.radians(angle_deg))
    return np.cos(2 * np.pi * along / spacing_px)


@pytest.mark.parametrize("spacing_px", [4.3, 9.71, 17.3, 31.44])
@pytest.mark.parametrize("angle_deg", [0.0, 17.0, 63.0, 90.0, 134.0])
@pytest.mark.parametrize("shape", [(256, 256), (301, 500)])
def test_spacing_and_direction_to_a_fraction_of_a_frequency_step(spacing_px, angle_deg, shape):
    noise = np.random.default_rng(0).normal(size=shape)
    picture = planes(shape, spacing_px, angle_deg) + 0.6 * planes(shape, 1.2 * spacing_px, angle_deg + 70) + noise
    found = estimate_spacing(picture * 500 + 20_000)
    assert found is not None
    assert found.spacing_px == pytest.approx(spacing_px, rel=0.01)
    assert abs((found.angle_deg - angle_deg + 90) % 180 - 90) < 1
    assert found.confidence > 0.5


def test_one_set_of_planes_alone_is_doubted():
    picture = planes((400, 400), 15, 20) + np.random.default_rng(0).normal(size=(400, 400))
    found = estimate_spacing(picture)
    assert found is not None
    assert found.spacing_px == pytest.approx(15, rel=0.01)
    assert found.confidence <= 0.5


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_spacing(seed):
    random = np.random.default_rng(seed)
    assert estimate_spacing(random.normal(size=(512, 512))) is None
    assert estimate_spacing(random.poisson(0.5, size=(300, 700))) is None


def test_what_is_no_lattice_is_not_believed():
    random = np.random.default_rng(1)
    y, x = np.mgrid[:400, :400]
    particle = 5.0 * (np.hypot(y - 200, x - 180) < 90) + random.normal(size=(400, 400))
    cloud = np.cumsum(np.cumsum(random.normal(size=(400, 400)), axis=0), axis=1)
    lines = random.normal(size=(400, 400)) + 3 * random.normal(size=(400, 1))
    for picture in (particle, cloud, lines, np.ones((400, 400)), np.zeros((20, 20))):
        found = estimate_spacing(picture)
        assert found is None or found.confidence < 0.5


def test_a_large_picture_agrees_with_a_part_of_it():
    picture = (planes((2300, 2300), 12.5, 30) + planes((2300, 2300), 13.5, 110) * 0.5).astype(np.float32)
    large, part = estimate_spacing(picture), estimate_spacing(picture[:600, :600])
    assert large is not None
    assert part is not None
    assert large.spacing_px == pytest.approx(part.spacing_px, rel=5e-3)


def test_real_micrographs(shared_data):
    image = pytest.importorskip("PIL.Image")
    silicon = estimate_spacing(np.asarray(image.open(shared_data / "atom_columns" / "silicon_110.png"), np.float32))
    assert silicon is not None
    assert silicon.spacing_px * 0.0098 == pytest.approx(0.3136, rel=0.15)  # {111}; the pixel size is only about known
    assert silicon.confidence > 0.8
