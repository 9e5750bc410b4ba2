"""Maps of a network to lines: specks, repeats, maps with several lines, broken lines."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from analysis.dislocations.lines import Line, dice_loss
from analysis.dislocations.postprocess import DEFAULTS, find_lines, lines_of_map
from tests.analysis.dislocations.drawn_lines import arc, dense, draw, length_of, pile_up, straight, wave

SHAPE = (420, 420)
COURSES = pile_up(5, first=(60, 90), step=(55, -6))
MASKS = [draw(course, SHAPE) for course in COURSES]


def distance(line: Line, course: np.ndarray) -> float:
    """Mean distance of a found line from a course."""
    return float(cKDTree(dense(course)).query(line.path)[0].mean())


def assert_found(lines: list[Line], courses: list[np.ndarray], *, rel: float = 0.04) -> None:
    """Each course was found once and whole, and nothing else was."""
    assert len(lines) == len(courses)
    for course in courses:
        nearest = min(lines, key=lambda line: distance(line, course))
        assert distance(nearest, course) < 1
        assert nearest.length_px == pytest.approx(length_of(course), rel=rel)


def test_one_map_a_line() -> None:
    lines = find_lines(np.array(MASKS))
    assert_found(lines, COURSES)
    assert all(line.score == 1 for line in lines)
    assert all(line.width_px == pytest.approx(4, rel=0.15) for line in lines)


def test_empty_maps_have_no_line() -> None:
    assert find_lines(np.zeros((20, 64, 64), np.float32)) == []
    assert find_lines(np.zeros((0, 64, 64), np.float32)) == []


def test_specks_and_short_pieces_are_removed(rng: np.random.Generator) -> None:
    maps = np.array([MASKS[0]])
    for x, y in rng.integers(5, 415, (30, 2)):
        maps[0, y - 1 : y + 2, x - 1 : x + 2] |= rng.random((3, 3)) < 0.6
    maps[0] |= draw(straight(350, 350, 360, 350), SHAPE)
    assert_found(find_lines(maps), COURSES[:1])


@pytest.mark.parametrize("noise", [0.0, 0.15])
def test_the_threshold_is_that_of_the_rules(noise: float, rng: np.random.Generator) -> None:
    maps = np.array(MASKS) * 0.6 + noise * (rng.random((5, *SHAPE)) - 0.5)
    assert_found(find_lines(maps), COURSES)
    assert find_lines(maps, replace(DEFAULTS, threshold=0.75)) == []


def test_of_two_maps_of_a_line_the_better_is_kept_whichever_comes_first() -> None:
    """The better one is surer and whole; the other lacks an end, but is more than half of it."""
    cut = MASKS[0] & (np.arange(SHAPE[0]) < 300)[:, None]
    for maps in ([0.7 * cut, 0.9 * MASKS[0]], [0.9 * MASKS[0], 0.7 * cut], [0.9 * cut, 0.85 * MASKS[0]]):
        lines = find_lines(np.array(maps))
        assert_found(lines, COURSES[:1])
        assert lines[0].score == pytest.approx(max(map(np.max, maps)), abs=0.06)


def test_masks_with_a_dice_loss_below_one_half_are_one_line() -> None:
    shifted = np.roll(MASKS[0], 1, axis=1)
    (line,) = lines_of_map(MASKS[0])
    (other,) = lines_of_map(shifted)
    assert 0.1 < dice_loss(line.mask, other.mask) < 0.5
    assert len(find_lines(np.array([MASKS[0], shifted]))) == 1
    assert len(find_lines(np.array([MASKS[0], np.roll(MASKS[0], 12, axis=1)]))) == 2


def test_a_map_with_several_lines_is_split_and_shares_none_twice() -> None:
    maps = [MASKS[0] | MASKS[3], MASKS[3] | MASKS[1], MASKS[2] | MASKS[4], MASKS[0]]
    assert_found(find_lines(np.array(maps)), COURSES)


def test_lines_that_cross_in_one_map_are_split() -> None:
    crossing = straight(40, 250, 380, 200)
    maps = np.array([MASKS[0] | MASKS[2] | draw(crossing, SHAPE)])
    assert_found(find_lines(maps), [COURSES[0], COURSES[2], crossing], rel=0.06)


@pytest.mark.parametrize("gap_px", [5, 15, 25])
def test_pieces_of_one_map_are_joined(gap_px: int) -> None:
    broken = MASKS[0].copy()
    broken[200 : 200 + gap_px] = False
    broken[300:304] = False
    assert_found(find_lines(np.array([broken])), COURSES[:1])


def test_pieces_of_two_maps_are_joined_where_they_overlap_or_nearly_touch() -> None:
    top, bottom = (np.arange(SHAPE[0]) < 240)[:, None], (np.arange(SHAPE[0]) >= 200)[:, None]
    assert_found(find_lines(np.array([MASKS[0] & top, MASKS[0] & bottom])), COURSES[:1])
    later = (np.arange(SHAPE[0]) >= 247)[:, None]
    assert_found(find_lines(np.array([MASKS[0] & top, MASKS[0] & later])), COURSES[:1])
    apart = (np.arange(SHAPE[0]) >= 300)[:, None]
    assert len(find_lines(np.array([MASKS[0] & top, MASKS[0] & apart]))) == 2


def test_lines_beside_each_other_are_not_joined() -> None:
    one, other = straight(50, 100, 200, 100), straight(210, 112, 380, 160)
    assert len(find_lines(np.array([draw(one, SHAPE) | draw(other, SHAPE)]))) == 2  # the ends do not face each other
    parallel = straight(50, 110, 200, 110)
    assert len(find_lines(np.array([draw(one, SHAPE), draw(parallel, SHAPE)]))) == 2


def test_lines_that_end_together_stay_two() -> None:
    """Two lines of a pile-up that end at one place of the trace, coming from one side."""
    one, other = arc(150, (200, 350), 180, 260), arc(120, (170, 350 - 28), 190, 260)
    lines = find_lines(np.array([draw(one, SHAPE), draw(other, SHAPE)]))
    assert len(lines) == 2


def test_a_hole_in_a_mask_is_no_ring() -> None:
    mask = draw(straight(40, 40, 300, 200), SHAPE, width_px=7)
    mask[119:122, 166:171] = False
    assert_found(find_lines(np.array([mask])), [straight(40, 40, 300, 200)])


@settings(max_examples=5, deadline=None)
@given(
    order=st.permutations(range(5)),
    seed=st.integers(0, 1000),
    empty=st.integers(0, 4),
    flip=st.booleans(),
)
def test_order_of_maps_noise_and_mirroring_change_nothing(order: list[int], seed: int, empty: int, flip: bool) -> None:
    rng = np.random.default_rng(seed)
    maps = [0.85 * MASKS[k] for k in order] + [np.zeros(SHAPE)] * empty
    noisy = np.array(maps) + rng.uniform(-0.1, 0.3, (len(maps), *SHAPE))
    courses = COURSES
    if flip:
        noisy, courses = noisy[:, :, ::-1], [course * (-1, 1) + (SHAPE[1] - 1, 0) for course in COURSES]
    assert_found(find_lines(noisy.astype(np.float32)), courses)


def test_a_line_from_edge_to_edge_and_one_cut_by_the_corner() -> None:
    through, corner = wave(-10, 100, 430, 150, 0), straight(380, -10, 430, 60)
    lines = find_lines(np.array([draw(through, SHAPE), draw(corner, SHAPE)]))
    assert [line.length_px for line in lines] == pytest.approx([np.hypot(419, 47.6), np.hypot(31.9, 44.6)], abs=4)
