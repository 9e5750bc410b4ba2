"""Masks to ordered points: the lines that a mask holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from analysis.dislocations.skeletons import centre_lines, length, skeleton
from analysis.dislocations.splines import fit
from tests.analysis.dislocations.drawn_lines import arc, dense, draw, length_of, straight, wave

SHAPE = (160, 200)


def largest_distance(path: np.ndarray, course: np.ndarray) -> float:
    """Of the path from the course, but for the last 2 px at its ends, which may lie beyond the course's ends."""
    return float(cKDTree(dense(course)).query(path[2:-2])[0].max())


@pytest.mark.parametrize("width_px", [1.5, 3, 6, 9])
@pytest.mark.parametrize(
    "course", [straight(20, 30, 170, 90), arc(60, (100, 80), 200, 350), wave(40, 20, 150, 140, 25)], ids="IOS"
)
def test_one_line_gives_one_path_in_its_middle(course: np.ndarray, width_px: float) -> None:
    (path,) = centre_lines(draw(course, SHAPE, width_px=width_px))
    assert largest_distance(path, course) < 1.0
    # the polygon through the pixels makes small steps; the spline along it does not
    assert length(path) == pytest.approx(length_of(course), rel=0.06, abs=width_px)
    assert fit(path).length == pytest.approx(length_of(course), rel=0.02, abs=width_px / 2)
    ends = sorted([path[0].tolist(), path[-1].tolist()])
    for end, true in zip(ends, sorted([course[0].tolist(), course[-1].tolist()]), strict=True):
        assert np.hypot(*np.subtract(end, true)) < width_px / 2 + 1


def test_points_follow_each_other() -> None:
    (path,) = centre_lines(draw(wave(40, 20, 150, 140, 60), SHAPE, width_px=5))
    steps = np.hypot(*np.diff(path, axis=0).T)
    assert steps.max() < 3
    assert (np.diff(path[:, 1]) * np.sign(path[-1, 1] - path[0, 1]) > -1.5).all()


def test_skeleton_is_one_pixel_wide_also_along_the_picture_s_edge() -> None:
    mask = np.zeros((30, 60), bool)
    mask[:4, 5:55] = True
    thin = skeleton(mask)
    assert thin.shape == mask.shape
    assert (thin[:, 10:50].sum(axis=0) == 1).all()


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    bow=st.floats(0, 35),
    width_px=st.floats(4, 7),
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_a_ragged_edge_makes_no_branches(seed: int, bow: float, width_px: float, flips: tuple[bool, ...]) -> None:
    course = wave(60, 20, 120, 140, bow)
    mask = draw(course, SHAPE, width_px=width_px, rough_px=0.1 * width_px, seed=seed)
    for axis in (0, 1):
        mask = np.flip(mask, axis) if flips[axis] else mask
    mask = mask.T if flips[2] else mask
    (path, *others) = centre_lines(mask)
    assert length(path) == pytest.approx(length_of(course), rel=0.08)
    assert sum(map(length, others)) < 0.1 * length(path)  # a speck that the ragged edge cut off


def test_lines_that_cross_are_two_straight_on() -> None:
    courses = [straight(20, 20, 180, 140), straight(30, 130, 170, 30)]
    mask = draw(courses[0], SHAPE) | draw(courses[1], SHAPE)
    paths = centre_lines(mask)
    assert len(paths) == 2
    for course in courses:
        assert min(largest_distance(path, course) for path in paths) < 2
    assert [length(path) for path in paths] == pytest.approx([length_of(course) for course in courses], rel=0.03)


def test_a_line_that_ends_on_another_is_its_own() -> None:
    through, branch = straight(20, 60, 180, 60), straight(100, 60, 110, 140)
    paths = centre_lines(draw(through, SHAPE) | draw(branch, SHAPE))
    assert [round(length(path), -1) for path in paths] == [160, 80]
    assert largest_distance(paths[0], through) < 2.5  # where the branch meets it, its middle is pulled aside


def test_pieces_that_do_not_touch_are_lines_of_their_own() -> None:
    mask = draw(straight(20, 20, 180, 20), SHAPE) | draw(straight(20, 80, 120, 80), SHAPE)
    assert [round(length(path), -1) for path in centre_lines(mask)] == [160, 100]


def test_a_ring_is_opened_once() -> None:
    (path,) = centre_lines(draw(arc(50, (100, 80), 0, 360), SHAPE))
    assert length(path) == pytest.approx(2 * np.pi * 50, rel=0.03)
    assert np.hypot(*(path[0] - path[-1])) < 4


@pytest.mark.parametrize("points", [[], [(5, 5)], [(5, 5), (6, 5), (5, 6)]])
def test_nothing_and_specks_are_no_lines(points: list[tuple[int, int]]) -> None:
    mask = np.zeros((20, 20), bool)
    for x, y in points:
        mask[y, x] = True
    assert centre_lines(mask) == []
