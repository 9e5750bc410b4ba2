"""The published metric and the stricter one, by examples worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.dislocations.metrics import dice_losses, length_score, mask_length_px, match, place_score
from analysis.dislocations.splines import fit
from tests.analysis.dislocations.drawn_lines import arc, draw, straight, wave

SHAPE = (200, 260)
A, B, C = (draw(straight(30, y, 230, y), SHAPE) for y in (40, 100, 160))
HALF = draw(straight(30, 40, 130, 40), SHAPE)


def test_the_truth_itself_scores_one_in_any_order() -> None:
    score = length_score(np.array([C, A, B]), np.array([A, B, C]))
    assert score.mean == 1
    assert score.lengths_px == pytest.approx(score.true_lengths_px)
    assert score.true_lengths_px == pytest.approx([200] * 3, rel=0.02)


@pytest.mark.parametrize("method", ["greedy", "optimal"])
def test_half_a_line_scores_one_half_and_a_missing_one_nothing(method: str) -> None:
    score = length_score(np.array([HALF, B]), np.array([A, B, C]), method=method)
    assert score.scores == pytest.approx([0.5, 1, 0], abs=0.03)
    assert score.mean == pytest.approx(0.5, abs=0.01)


def test_a_line_elsewhere_is_no_match_and_one_twice_as_long_scores_nothing() -> None:
    assert length_score(np.array([B]), np.array([A])).scores.tolist() == [0]
    assert length_score(np.array([A]), np.array([HALF])).scores == pytest.approx([0], abs=0.03)
    long = draw(straight(30, 40, 180, 40), SHAPE)
    assert length_score(np.array([long]), np.array([HALF])).scores == pytest.approx([0.5], abs=0.03)


def test_the_published_metric_does_not_see_what_is_too_much() -> None:
    assert length_score(np.array([A, B, C]), np.array([A])).mean == 1
    places = place_score([straight(30, y, 230, y) for y in (40, 100, 160)], [straight(30, 40, 230, 40)])
    assert (places.precision, places.recall, places.f1) == (pytest.approx(1 / 3), 1, pytest.approx(0.5))


def test_maps_are_binarised_and_cleaned() -> None:
    maps = 0.4 + 0.3 * A.astype(float)
    maps[180:184, 20:23] = 0.9
    assert length_score(maps[None], A[None]).mean == pytest.approx(1)
    assert length_score(maps[None], A[None], threshold=0.8).mean == 0


def test_pictures_are_pooled_over_their_lines() -> None:
    both = length_score(np.array([A]), np.array([A])) + length_score(np.array([HALF]), np.array([A, B]))
    assert both.scores == pytest.approx([1, 0.5, 0], abs=0.03)
    nothing = np.zeros((0, *SHAPE), bool)
    assert length_score(nothing, nothing).mean == 1
    assert length_score(nothing, np.array([A])).mean == 0
    assert length_score(np.array([A]), np.zeros((2, *SHAPE), bool)).mean == 1  # empty masks are no lines


def test_dice_losses_by_hand() -> None:
    """4 and 2 pixels with 1 in common: 1 - 2·1/6 = 2/3."""
    one, other = np.zeros((2, 3, 3), bool)
    one[0, :2] = one[1, :2] = True
    other[1, 1:] = True
    assert dice_losses(np.array([other, one]), np.array([one])) == pytest.approx(np.array([[2 / 3, 0]]))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_dice_losses_equal_the_loop_over_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.random((3, 12, 9)) < 0.3, rng.random((4, 12, 9)) < 0.4
    loop = [[1 - 2 * (x & y).sum() / (x.sum() + y.sum()) for y in b] for x in a]
    assert dice_losses(b, a) == pytest.approx(np.array(loop))


def test_greedy_takes_turns_and_optimal_looks_at_all() -> None:
    losses = np.array([[0.2, 0.3], [0.1, 0.9]])
    assert match(losses, "greedy").tolist() == [0, 1]
    assert match(losses, "optimal").tolist() == [1, 0]
    assert match(np.array([[0.2], [0.1], [1.0]]), "greedy").tolist() == [0, -1, -1]
    assert match(np.ones((2, 3)), "optimal").tolist() == [-1, -1]
    assert match(np.zeros((0, 3))).tolist() == []
    assert match(np.zeros((2, 0))).tolist() == [-1, -1]


def test_length_of_a_mask() -> None:
    assert mask_length_px(draw(arc(60, (130, 100), 180, 360), SHAPE)) == pytest.approx(60 * np.pi, rel=0.03)
    assert mask_length_px(A | HALF | draw(straight(30, 160, 90, 160), SHAPE)) == pytest.approx(200, rel=0.02)
    assert mask_length_px(np.zeros(SHAPE)) == 0


def test_places_of_lines_moved_by_two_pixels() -> None:
    true = [wave(60, 20, 90, 180, 20), wave(120, 20, 150, 180, 20), wave(180, 20, 210, 180, 20)]
    predicted = [fit(true[2] + (2, 0)), true[0][::-1], true[1] + (30, 0)]
    score = place_score(predicted, true)
    assert (score.n_true, score.n_predicted, len(score.distances_px)) == (3, 3, 2)
    assert sorted(score.distances_px) == pytest.approx([0, 1.9], abs=0.25)
    assert score.hausdorff_px.max() == pytest.approx(2, abs=0.4)
    assert score.f1 == pytest.approx(2 / 3)
    assert score.mean_distance_px == pytest.approx(0.95, abs=0.15)


def test_a_match_inside_the_gate_is_not_given_up_for_one_outside() -> None:
    """Least in all would be 4.5 + 30 against 1 + 60 px: the pair within 5 px counts."""
    true = [straight(0, 0, 100, 0), straight(0, 60, 100, 60)]
    score = place_score([straight(0, 1, 100, 1), straight(0, -4.5, 100, -4.5)], true)
    assert score.distances_px == pytest.approx([1])


def test_nothing_predicted_and_nothing_there() -> None:
    empty = place_score([], [])
    assert (empty.precision, empty.recall, empty.f1, empty.mean_distance_px) == (1, 1, 1, None)
    missed = place_score([], [straight(0, 0, 9, 9)]) + empty
    assert (missed.recall, missed.f1) == (0, 0)
