"""Drift of the specimen, told from the motion of its lines."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi

from analysis.dislocations.drift import DriftEstimator, line_mask
from analysis.dislocations.postprocess import find_lines
from tests.analysis.dislocations.drawn_lines import BRIGHT, DARK, draw, pile_up

SHAPE = (192, 224)
NOTHING = np.zeros(SHAPE, bool)


class Specimen:
    """A texture that drifts, larger than the frame."""

    def __init__(self, seed: int = 3, grain_px: float = 3.0, margin: int = 90) -> None:
        self.margin = margin
        size = [length + 2 * margin for length in SHAPE]
        self.texture = ndi.gaussian_filter(np.random.default_rng(seed).normal(size=size), grain_px)
        self.texture *= 10 / self.texture.std()
        self.noise = np.random.default_rng(seed + 1)

    def frame(self, dx: float, dy: float, *, noise: float = 10.0) -> np.ndarray:
        rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
        seen = ndi.map_coordinates(self.texture, [rows - dy + self.margin, columns - dx + self.margin], order=3)
        return BRIGHT + seen + noise * self.noise.normal(size=SHAPE)


@pytest.mark.parametrize("step", [(0.4, -0.3), (3.7, 1.2), (-9.0, 6.5)])
def test_a_steady_drift_in_noise_as_strong_as_the_texture(step: tuple[float, float]) -> None:
    specimen, estimator = Specimen(), DriftEstimator()
    for k in range(9):
        drift = estimator.update(specimen.frame(k * step[0], k * step[1]), NOTHING)
        assert drift.sure
        assert (drift.dx, drift.dy) == pytest.approx((k * step[0], k * step[1]), abs=0.5)


@pytest.mark.parametrize("step", [(0.0, 0.0), (0.4, -0.3)])
def test_a_faint_texture_under_broad_strong_noise(step: tuple[float, float]) -> None:
    """Noise that is coarser than the texture and eight times as strong at coarse lengths must not move the peak."""
    specimen, estimator = Specimen(grain_px=1.5), DriftEstimator()
    broad = np.random.default_rng(8)
    for k in range(8):
        cloud = ndi.gaussian_filter(broad.normal(size=SHAPE), 5)
        frame = specimen.frame(k * step[0], k * step[1], noise=20) + 20 * cloud / cloud.std()
        drift = estimator.update(frame, NOTHING)
        assert drift.sure
        assert (drift.dx, drift.dy) == pytest.approx((k * step[0], k * step[1]), abs=0.5)


def test_the_fixed_pattern_of_a_camera_does_not_hold_the_specimen_fast() -> None:
    """Pixels that are brighter than others in every frame, as strong as the texture, while the specimen drifts."""
    specimen, estimator = Specimen(grain_px=4.0), DriftEstimator()
    pattern = 10 * np.random.default_rng(9).normal(size=SHAPE)
    for k in range(7):
        drift = estimator.update(specimen.frame(-3.1 * k, 2.4 * k) + pattern, NOTHING)
        assert drift.sure
        assert (drift.dx, drift.dy) == pytest.approx((-3.1 * k, 2.4 * k), abs=1)


def test_lines_that_glide_do_not_drift() -> None:
    """Strong dark lines, a fifth of the frame with their margins, go 3 px a frame right, the specimen 1 px left."""
    specimen, estimator = Specimen(), DriftEstimator()
    course = pile_up(3, first=(40, 20), step=(45, 0), bow=10)
    for k in range(6):
        frame = specimen.frame(-k, 0)
        lines = [found(draw(line * (1, 0.5) + np.array((3.0 * k, 0)), SHAPE)) for line in course]
        for mask, _ in lines:
            frame[mask] -= BRIGHT - DARK
        drift = estimator.update(frame, line_mask([line for _, line in lines], *SHAPE))
        assert (drift.dx, drift.dy) == pytest.approx((-k, 0), abs=0.7)


def found(mask: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, float]]:
    (line,) = find_lines(mask[None])
    return mask, (line.path, line.width_px)


def test_noise_without_texture_tells_nothing(rng: np.random.Generator) -> None:
    estimator = DriftEstimator()
    estimator.update(rng.normal(size=SHAPE), NOTHING)
    for _ in range(5):
        drift = estimator.update(rng.normal(size=SHAPE), NOTHING)
        assert not drift.sure
        assert (drift.dx, drift.dy) == (0, 0)


def test_a_frame_that_shows_nothing_keeps_the_last_drift(rng: np.random.Generator) -> None:
    specimen, estimator = Specimen(), DriftEstimator()
    estimator.update(specimen.frame(0, 0), NOTHING)
    before = estimator.update(specimen.frame(5, 3), NOTHING)
    lost = estimator.update(BRIGHT + 10 * rng.normal(size=SHAPE), NOTHING)
    assert (lost.dx, lost.dy, lost.sure) == (before.dx, before.dy, False)
    again = estimator.update(specimen.frame(6, 4), NOTHING)
    assert again.sure
    assert (again.dx, again.dy) == pytest.approx((6, 4), abs=0.5)


def test_a_flat_frame_is_no_error() -> None:
    estimator = DriftEstimator()
    assert estimator.update(np.zeros(SHAPE), NOTHING).sure
    assert not estimator.update(np.zeros(SHAPE), NOTHING).sure


def test_what_is_painted_over_covers_the_lines() -> None:
    mask, line = found(draw(pile_up(1, first=(40, 20))[0] * (1, 0.5), SHAPE))
    hidden = line_mask([line], *SHAPE, margin_px=2)
    assert hidden[mask].mean() > 0.99
    assert hidden.sum() < 6 * mask.sum()
