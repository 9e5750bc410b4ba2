"""Distortions of the scan and their inverse, and which columns are in the frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.atoms.synthetic.drawing import draw_parameters
from training.atoms.synthetic.geometry import (
    columns_in_frame,
    line_jitter,
    pixel_coordinates,
    scan_coordinates,
    waves_at,
    waves_grid,
)
from training.atoms.synthetic.lattices import LATTICES, lattices
from training.atoms.synthetic.parameters import Crystal, Frame, Jitter, Wave


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_scan_coordinates_are_inverted(seed: int) -> None:
    """Drift and flyback of any drawn picture are undone to a millionth of a pixel, inside the frame."""
    frame = draw_parameters(seed, quality="wide", size=(200, 300)).frame
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 299, 50), rng.uniform(0, 199, 50)
    back_x, back_y = pixel_coordinates(frame, *scan_coordinates(frame, x, y))
    assert np.abs(back_x - x).max() < 1e-6
    assert np.abs(back_y - y).max() < 1e-6


def test_waves_are_the_same_on_the_grid_and_at_points() -> None:
    waves = (
        Wave(amplitude=0.4, frequency_x=1.3, frequency_y=-0.6, phase_rad=0.7),
        Wave(amplitude=0.2, frequency_x=0.1, frequency_y=0.9, phase_rad=4.0),
    )
    rows, columns = np.meshgrid(np.arange(20), np.arange(30), indexing="ij")
    assert np.allclose(waves_grid(waves, 20, 30), waves_at(waves, columns / 30, rows / 20), atol=1e-6)


@pytest.mark.parametrize("name", LATTICES)
def test_number_of_columns_is_the_lattice_density(name: str) -> None:
    """Within the frame's edge effect (half a column spacing around it), and with 3 % larger pixels in x."""
    frame = Frame(height=400, width=500, pixel_size_nm=0.02, zoom_x=1.03)
    crystal = Crystal(lattice=name, rotation_deg=17.0, offset_x_a=0.3, offset_y_a=0.4, thickness_nm=5.0)
    found = columns_in_frame(frame, crystal, lattices()[name])
    area = 399 * 499 * 0.02**2 * 1.03
    assert len(found) == pytest.approx(area * lattices()[name].density_per_nm2, rel=0.03)


def test_distances_are_in_proportion_to_the_pixel_size() -> None:
    """Silicon's dumbbell is 135.8 pm long whatever way it is turned."""
    frame = Frame(height=128, width=128, pixel_size_nm=0.0125)
    for rotation in (0.0, 33.0, 211.0):
        crystal = Crystal(lattice="si_110", rotation_deg=rotation, offset_x_a=0, offset_y_a=0, thickness_nm=5.0)
        points = columns_in_frame(frame, crystal, lattices()["si_110"], border_px=12.0)
        distance = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e9 * np.eye(len(points))
        inner = ((points > 12) & (points < 115)).all(axis=1)
        assert np.allclose(12.5 * distance[inner].min(axis=1), 135.775, atol=1e-3)


def test_rotation_turns_the_picture_clockwise_on_the_screen() -> None:
    """Rotating the crystal by +90° (x to the right, y down) takes its x axis to y."""
    frame = Frame(height=101, width=101, pixel_size_nm=0.02)
    lattice = lattices()["srtio3_110"]
    plain = Crystal(lattice="srtio3_110", rotation_deg=0.0, offset_x_a=0, offset_y_a=0, thickness_nm=5.0)
    turned = plain.model_copy(update={"rotation_deg": 90.0})
    before = columns_in_frame(frame, plain, lattice) - 50.0
    after = columns_in_frame(frame, turned, lattice) - 50.0
    expected = np.stack([-before[:, 1], before[:, 0]], axis=1)
    distance = np.linalg.norm(expected[:, None] - after[None], axis=-1)
    assert distance.min(axis=1).max() < 1e-6


def test_line_jitter_has_the_stated_size() -> None:
    rng = np.random.default_rng(2)
    dx, dy = line_jitter(Jitter(x_px=0.8, y_px=0.4, smooth=0.5), 20_000, rng)
    assert dx.std() == pytest.approx(0.8, rel=0.05)
    assert dy.std() == pytest.approx(0.4, rel=0.05)
    hum, _ = line_jitter(Jitter(hum_px=0.5, hum_period_lines=4.3), 20_000, rng)
    assert hum.std() == pytest.approx(0.5, rel=0.02)
    jumps, _ = line_jitter(Jitter(jump_fraction=0.1, jump_px=2.0), 20_000, rng)
    assert np.mean(jumps != 0) == pytest.approx(0.1, abs=0.02)
    assert jumps[jumps != 0].std() == pytest.approx(2.0, rel=0.1)
