"""The map that is learned, and the loss that it is learned with."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.feature import peak_local_max

from training.atoms.losses import map_loss
from training.atoms.targets import judged_pixels, probability_map
from training.atoms.validation import centres_of_mass

positions = st.tuples(st.floats(8, 55), st.floats(8, 39))


@settings(deadline=None, max_examples=40)
@given(position=positions)
def test_a_column_is_a_peak_whose_centre_is_where_it_is(position: tuple[float, float]) -> None:
    x, y = position
    target = probability_map(np.array([x]), np.array([y]), (48, 64))
    rows, columns = np.mgrid[:48, :64]
    np.testing.assert_allclose(((target * columns).sum(), (target * rows).sum()) / target.sum(), (x, y), atol=0.01)
    assert 0.85 < target.max() <= 1
    assert target.shape == (48, 64)


def test_the_columns_of_a_dumbbell_stay_two_peaks() -> None:
    for distance in (5.0, 6.0, 8.5, 14.0):
        target = probability_map(np.array([20.0, 20.0 + distance]), np.array([16.0, 16.0]), (32, 48))
        between = target[16, round(20 + distance / 2)]
        assert between < 0.25, f"{distance} px apart"
        peaks = peak_local_max(target, min_distance=2, threshold_abs=0.5)
        assert len(peaks) == 2


def test_columns_at_the_border_and_beyond_it_leave_what_is_inside() -> None:
    target = probability_map(np.array([0.0, 31.0, -2.0]), np.array([0.0, 15.0, 8.0]), (16, 32))
    assert target[0, 0] == 1
    assert target[15, 31] == 1
    assert 0 < target[8, 0] < 0.6
    assert not probability_map(np.empty(0), np.empty(0), (16, 32)).any()


def test_centres_of_mass_are_better_than_a_pixel() -> None:
    truth = np.array([(12.3, 10.8), (30.6, 20.2)])
    target = probability_map(*truth.T, (40, 48))
    peaks = peak_local_max(target, min_distance=2, threshold_abs=0.5)
    found = centres_of_mass(target, peaks)
    np.testing.assert_allclose(found[np.argsort(found[:, 0])], truth, atol=0.2)


def test_the_loss_is_lowest_at_the_true_map_and_feels_a_quarter_of_a_pixel() -> None:
    def target(shift: float) -> torch.Tensor:
        return torch.from_numpy(probability_map(np.array([16.0 + shift]), np.array([16.0]), (32, 32)))[None, None]

    everywhere = torch.ones(1, 1, 32, 32)

    def loss(shift: float) -> float:
        guess = target(shift).clamp(1e-4, 1 - 1e-4)
        return float(map_loss(torch.log(guess / (1 - guess)), target(0), everywhere))

    assert loss(0) < loss(0.25) < loss(0.5) < loss(1)
    nothing = float(map_loss(torch.full((1, 1, 32, 32), -9.0), target(0), everywhere))
    assert loss(1) < nothing


def test_what_the_map_says_at_an_unjudged_column_costs_nothing() -> None:
    target = torch.from_numpy(probability_map(np.array([8.0]), np.array([8.0]), (32, 32)))[None, None]
    judged = torch.from_numpy(judged_pixels(np.array([[24.0, 20.0], [80.0, 3.0]]), (32, 32)))[None, None]
    assert judged[0, 0, 20, 24] == judged[0, 0, 20, 20] == 0
    assert judged[0, 0, 20, 18] == judged[0, 0, 8, 8] == 1
    plain = torch.full((1, 1, 32, 32), -3.0)
    found = plain.clone()
    found[0, 0, 18:23, 22:27] = 5.0
    assert map_loss(found, target, judged) == map_loss(plain, target, judged)
    assert map_loss(found, target, torch.ones_like(judged)) > map_loss(plain, target, torch.ones_like(judged))
