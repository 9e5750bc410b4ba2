"""Ribbons keep what they are given: their depth in the middle, their area, their sides."""

from __future__ import annotations

import numpy as np
import pytest

from training.synthetic.ribbons import arc_lengths, ribbon, strewn, unit

OFFSETS = np.arange(-12.0, 13.0)
GAUSS = np.exp(-0.5 * (OFFSETS / 3.0) ** 2).astype(np.float32)


def straight(angle_deg: float, length: float = 80.0) -> tuple[np.ndarray, np.ndarray]:
    angle = np.deg2rad(angle_deg)
    direction = np.array([np.cos(angle), np.sin(angle)])
    places = 60.0 + np.linspace(-length / 2, length / 2, 2 * int(length) + 1)[:, None] * direction
    return places, np.tile(direction, (len(places), 1))


def drawn(places: np.ndarray, tangent: np.ndarray, across: np.ndarray = GAUSS, **more: float) -> np.ndarray:
    part = ribbon(places, tangent, np.ones(len(places)), OFFSETS, across, (120, 120), **more)
    assert part is not None
    return strewn([part], (120, 120))


@pytest.mark.parametrize("angle_deg", [0.0, 17.0, 45.0, 90.0])
def test_a_straight_ribbon_has_its_depth_and_its_area(angle_deg: float) -> None:
    field = drawn(*straight(angle_deg))
    assert field[60, 60] == pytest.approx(1.0, abs=0.03)
    # the end points stand for a whole step each
    assert field.sum() == pytest.approx(GAUSS.sum() * 80.5, rel=0.02)


def test_a_positive_offset_is_on_the_left() -> None:
    left = np.where(OFFSETS > 0, GAUSS, 0).astype(np.float32)
    field = drawn(*straight(0.0), across=left)
    assert field[56, 60] > 0.3 > 0.05 > field[64, 60]


def test_a_bent_ribbon_is_as_deep_as_a_straight_one() -> None:
    turn = np.linspace(0, np.pi, 190)
    places = 60.0 + 30.0 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    tangent = unit(np.stack([-np.sin(turn), np.cos(turn)], axis=1))
    field = drawn(places, tangent)
    assert field[90, 60] == pytest.approx(1.0, abs=0.07)


def test_what_is_outside_the_grid_is_left_out() -> None:
    places, tangent = straight(0.0)
    assert ribbon(places + 500.0, tangent, np.ones(161), OFFSETS, GAUSS, (120, 120)) is None
    field = drawn(places - [60.0, 0.0], tangent)
    assert np.isfinite(field).all()
    assert field[60, 10] > 0.9


def test_spacing_and_origin_scale_the_grid() -> None:
    places, tangent = straight(0.0)
    part = ribbon(
        2 * places + 5.0, tangent, np.ones(161), 2 * OFFSETS, GAUSS, (120, 120), spacing=2.0, origin=5.0
    )  # fmt: skip
    assert part is not None
    np.testing.assert_allclose(strewn([part], (120, 120)), drawn(places, tangent), atol=1e-3)


def test_arc_lengths_begin_at_zero() -> None:
    np.testing.assert_allclose(arc_lengths(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]])), [0, 5, 6])
