"""From a few rough points to the course of a line, and the profile across it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from training.dislocations import curves
from training.dislocations.synthetic.parameters import Background, Detector, Frame, Grain, Light, Line, Parameters
from training.dislocations.synthetic.rendering import SyntheticFrame, render
from training.dislocations.tracing import follow, profiles

SUPPORTS = ((20.0, 40.0), (60.0, 90.0), (120.0, 80.0), (170.0, 130.0), (160.0, 180.0))


def frame(**more: float) -> SyntheticFrame:
    line = {"supports": SUPPORTS, "depth": 0.22, "width_px": 5.0, "exponent": 1.8, "mask_width_px": 5.0, **more}
    light = Light(centre_x=0.4, centre_y=0.6, sigma_x=0.4, sigma_y=0.5, floor=0.1)
    detector = Detector(grains=(Grain(rms=0.015, sigma_px=1.0),), level=0.9)
    return render(
        Parameters(
            seed=3,
            frame=Frame(height=200, width=200),
            lines=(Line.model_validate(line),),
            background=Background(light=light),
            detector=detector,
        )
    )


def test_the_course_follows_the_line_between_rough_points() -> None:
    made = frame()
    truth = made.lines[0].points
    rough = truth[[0, 30, 70, 110, 150, 190, len(truth) - 1]].copy()
    rough[1:-1] += np.random.default_rng(0).normal(0, 2.0, (5, 2))
    course = follow(made.pixels, rough)
    distance = cKDTree(truth).query(course)[0]
    assert np.sqrt(np.mean(distance**2)) < 0.6
    assert distance.max() < 2.0
    assert curves.lengths(course)[-1] == pytest.approx(made.lines[0].length_px, rel=0.02)


def test_a_profile_is_the_line_s_own_whatever_the_light() -> None:
    made = frame(taper_px=0.0)
    offsets = np.arange(-15.0, 15.5, 0.5)
    across = np.nanmean(profiles(made.pixels, made.lines[0].points, offsets)[10:-10], axis=0)
    assert -np.log(across.min()) == pytest.approx(0.22, rel=0.12)
    dark = 1 - across
    half = offsets[dark > dark.max() / 2]
    assert half.max() - half.min() + 0.5 == pytest.approx(5.0, abs=0.8)
    assert across[np.abs(offsets) > 12].mean() == pytest.approx(1.0, abs=0.01)


def test_a_profile_beyond_the_picture_is_not_known() -> None:
    line = curves.resampled(np.array([[2.0, 50.0], [2.0, 90.0]]))
    assert np.isnan(profiles(np.ones((100, 100)), line, np.arange(-10.0, 11.0))).any()
