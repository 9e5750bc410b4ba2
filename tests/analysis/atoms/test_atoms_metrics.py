"""ID-recall, ID-precision and Δd by the 0.5 Å rule."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.atoms.metrics import match, score

GRID = np.stack(np.meshgrid(np.arange(20.0, 400, 20), np.arange(20.0, 300, 20)), axis=-1).reshape(-1, 2)


def test_the_same_columns_score_full():
    found = score(GRID, GRID[::-1], pixel_size_pm=10)
    assert (found.recall, found.precision, found.rms_pm) == (1, 1, 0)
    assert found.n_true == found.n_predicted == found.matched == len(GRID)


def test_half_an_angstrom_decides():
    near, far = np.array([[4.99, 0.0]]), np.array([[5.01, 0.0]])
    assert score(GRID + near, GRID, pixel_size_pm=10).recall == 1
    assert score(GRID + near, GRID, pixel_size_pm=10).rms_pm == pytest.approx(49.9)
    missed = score(GRID + far, GRID, pixel_size_pm=10)
    assert (missed.recall, missed.precision) == (0, 0)
    assert math.isnan(missed.rms_pm)


def test_missed_and_invented_columns():
    found = score(np.concatenate([GRID[10:], [[7.0, 7.0], [9.0, 13.0]]]), GRID, pixel_size_pm=10)
    assert found.recall == pytest.approx(1 - 10 / len(GRID))
    assert found.precision == pytest.approx((len(GRID) - 10) / (len(GRID) - 8))


def test_a_column_found_twice_counts_once():
    found = score(np.concatenate([GRID, GRID + 0.5]), GRID, pixel_size_pm=10)
    assert (found.recall, found.precision) == (1, 0.5)
    assert found.rms_pm == 0


def test_pairs_are_best_together_not_one_after_the_other():
    """Nearest first would take the middle pair and leave the outer two over."""
    pairs = match(np.array([[0.0, 0.0], [4.0, 0.0]]), np.array([[3.0, 0.0], [8.5, 0.0]]), 5.0)
    assert sorted(map(tuple, pairs)) == [(0, 0), (1, 1)]


def test_pixels_that_are_not_square():
    moved = GRID + np.array([0, 3])
    assert score(moved, GRID, pixel_size_pm=(20, 10)).rms_pm == pytest.approx(30)
    assert score(moved, GRID, pixel_size_pm=(10, 20)).recall == 0


def test_columns_in_the_border_are_not_judged():
    shape = (310, 410)
    border = (GRID < 25).any(axis=1)
    invented = np.array([[3.0, 200.0], [200.0, 150.0]])
    found = score(np.concatenate([GRID[~border], invented]), GRID, pixel_size_pm=10, shape=shape, border_pm=250)
    assert found.recall == 1
    assert found.n_true == (~border & (np.array([409.5, 309.5]) - 25 >= GRID).all(axis=1)).sum()
    assert found.n_predicted == found.n_true + 1
    # a true column in the border whose prediction lies just outside the border, and the other way round
    true, predicted = np.array([[24.0, 100.0], [25.0, 200.0]]), np.array([[25.0, 100.0], [24.0, 200.0]])
    straddling = score(predicted, true, pixel_size_pm=10, shape=shape, border_pm=250)
    assert (straddling.recall, straddling.precision, straddling.n_true) == (1, 1, 1)


def test_nothing_there():
    none = np.empty((0, 2))
    assert score(none, none, pixel_size_pm=10).recall == score(none, none, pixel_size_pm=10).precision == 1
    assert score(none, GRID, pixel_size_pm=10).recall == 0
    assert score(GRID, none, pixel_size_pm=10).precision == 0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 5), m=st.integers(0, 5))
def test_matching_is_the_best_of_all(seed, n, m):
    """Against every possible one-to-one matching: most pairs first, then least squares."""
    random = np.random.default_rng(seed)
    first, second = random.uniform(0, 3, (n, 2)), random.uniform(0, 3, (m, 2))
    pairs = match(first, second, 1.0)
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)

    def figure(candidate):
        squares = [((first[i] - second[j]) ** 2).sum() for i, j in candidate]
        return (-len(candidate), sum(squares)) if all(s <= 1 for s in squares) else (1, 0.0)

    best = min(
        figure(list(zip(rows, columns, strict=True)))
        for k in range(min(n, m) + 1)
        for rows in itertools.combinations(range(n), k)
        for columns in itertools.permutations(range(m), k)
    )
    mine = figure([tuple(pair) for pair in pairs])
    assert mine[0] == best[0]
    assert mine[1] == pytest.approx(best[1])
