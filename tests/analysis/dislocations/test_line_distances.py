"""How far lines are apart and how far they have moved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.dislocations.distances import (
    fitted,
    move,
    oriented,
    paired_distance,
    paired_distances,
    symmetric_distance,
)
from analysis.dislocations.splines import fit
from tests.analysis.dislocations.drawn_lines import arc, dense, straight, wave

S = fit(wave(50, 20, 110, 220, 30)).points()


def test_moved_copies_are_as_far_apart_as_they_were_moved() -> None:
    assert paired_distance(S, S + np.array((3, 4))) == pytest.approx(5)
    assert paired_distance(S, (S + np.array((3, 4)))[::-1]) == pytest.approx(5)


def test_all_pairs_at_once() -> None:
    lines = [S, S[::-1] + np.array((3, 4)), S + np.array((6, 8))]
    assert paired_distances(lines) == pytest.approx(np.array([[0, 5, 10], [5, 0, 5], [10, 5, 0]]))
    assert paired_distances([]).shape == (0, 0)


def test_the_order_that_lies_nearer() -> None:
    assert oriented(S[::-1] + np.array((5, 0)), S) == pytest.approx(S + np.array((5, 0)))
    assert oriented(S + np.array((5, 0)), S) == pytest.approx(S + np.array((5, 0)))


def test_symmetric_distance_of_concentric_arcs_is_the_difference_of_their_radii() -> None:
    mean, largest = symmetric_distance(arc(100, (0, 0), 0, 90), arc(104, (0, 0), 0, 90))
    assert (mean, largest) == pytest.approx((4, 4), abs=0.01)


def test_a_piece_is_not_near_to_the_whole_line() -> None:
    """Half of a line of 100 px: 0 one way, from 0 to 50 px the other way, 25 px in the mean of that half."""
    mean, largest = symmetric_distance(dense(straight(0, 0, 100, 0)), dense(straight(0, 0, 50, 0)))
    assert mean == pytest.approx((0 + 25 / 2) / 2, rel=0.05)
    assert largest == pytest.approx(50)


@settings(max_examples=50, deadline=None)
@given(dx=st.floats(-20, 20), dy=st.floats(-20, 20), back=st.booleans())
def test_the_displacement_of_a_moved_line(dx: float, dy: float, back: bool) -> None:
    after = S + np.array((dx, dy))
    found = move(S, after[::-1] if back else after)
    assert (found.dx, found.dy) == pytest.approx((dx, dy), abs=1e-9)
    assert found.distance == pytest.approx(np.hypot(dx, dy))
    assert found.residual == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kept", [slice(0, 300), slice(120, 400), slice(60, 330)])
@pytest.mark.parametrize("longer_first", [True, False])
def test_a_missing_end_is_not_taken_for_motion(kept: slice, longer_first: bool) -> None:
    whole = wave(50, 20, 110, 220, 30)
    long, short = fit(whole).points(), fit(whole[kept]).points() + np.array((8, -2))
    found = move(long, short) if longer_first else move(short, long)
    sign = 1 if longer_first else -1
    assert (sign * found.dx, sign * found.dy) == pytest.approx((8, -2), abs=1.5)


def test_a_straight_line_with_missing_ends_moved_along_its_glide_direction() -> None:
    """A tenth of the line is missing after a move by (10, -2): it could lie anywhere along the other."""
    before = fit(straight(0, 0, 30, 200)).points()
    after = fit(straight(13, 18, 38.5, 188)).points()
    moved = move(before, after, glide=np.array((10.0, -2.0)) / np.hypot(10, 2))
    assert (moved.dx, moved.dy) == pytest.approx((10, -2), abs=1)
    unguided = move(before, after)
    assert np.hypot(unguided.dx, unguided.dy) < 10.5  # the nearest place, nearly across the line


def test_other_ends_missed_in_two_finds_are_not_motion() -> None:
    """Each find lacks 15 px at another end, so both are as long; the sides tell that the line moved by (6, -3)."""
    course = dense(wave(50, 20, 110, 220, 30))
    before, after = (fit(part).points() for part in (course[60:], course[:-60] + np.array((6, -3))))
    by_ends = move(before, after)
    start = np.array((by_ends.dx, by_ends.dy))
    assert np.hypot(*(start - (6, -3))) > 8
    assert fitted(before, after, start) == pytest.approx((6, -3), abs=0.7)


def test_a_straight_line_keeps_the_motion_along_itself_that_its_ends_tell() -> None:
    before = straight(20, 30, 20, 130)
    assert fitted(before, before + np.array((4.0, 7.0)), np.array((4.5, 7.0))) == pytest.approx((4, 7), abs=0.05)
    assert fitted(before, before + np.array((0.0, 300.0)), np.array((0.0, 0.0))) == pytest.approx((0, 0))
