"""Probability map → points, both published ways."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from analysis.atoms.postprocess import find_columns
from tests.analysis.atoms.synthetic_columns import draw, lattice


def a_map(shape, xy, sigma=1.5, height=1.0):
    return np.clip(draw(shape, xy, sigma, height), 0, 1).astype(np.float32)


def distances(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return cKDTree(found).query(true)[0]


@pytest.mark.parametrize(("method", "precision_px"), [("log", 0.05), ("otsu", 0.3)])
def test_every_column_is_found_once_at_its_place(method, precision_px):
    xy = lattice((200, 230), (10.3, 1.7), (-2.2, 11.1), margin=4)
    found = find_columns(a_map((200, 230), xy), method=method)
    assert len(found.xy) == len(xy)
    assert distances(found.xy, xy).max() < precision_px
    assert found.score.min() > 0.8


def test_log_separates_columns_that_touch_and_otsu_joins_them():
    pair = np.array([[20.0, 20.2], [24.6, 20.0]])
    picture = a_map((40, 45), pair)
    assert picture[20, 22] > 0.5
    separate = find_columns(picture, method="log")
    assert len(separate.xy) == 2
    assert distances(separate.xy, pair).max() < 0.3
    joined = find_columns(picture, method="otsu")
    assert len(joined.xy) == 1
    np.testing.assert_allclose(joined.xy[0], pair.mean(axis=0), atol=0.3)


@pytest.mark.parametrize("method", ["log", "otsu"])
def test_threshold_is_on_the_height_of_the_map(method):
    xy = lattice((120, 120), (12, 0), (0, 12), margin=5)
    height = np.where(np.arange(len(xy)) % 2, 0.9, 0.62)
    picture = a_map((120, 120), xy, height=height)
    assert len(find_columns(picture, method=method, threshold=0.5).xy) == len(xy)
    strong = find_columns(picture, method=method, threshold=0.7)
    assert len(strong.xy) == (height == 0.9).sum()
    assert strong.score.min() >= 0.7


@pytest.mark.parametrize("method", ["log", "otsu"])
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_map_without_a_peak_has_no_columns(method, value):
    assert len(find_columns(np.full((50, 60), value, np.float32), method=method).xy) == 0
    assert len(find_columns(np.full((1, 1), value, np.float32), method=method).xy) == 0


def test_log_does_not_care_how_the_rows_are_divided():
    """A map taller than one band gives what its bands give alone, also where a column sits on the seam."""
    random = np.random.default_rng(0)
    xy = lattice((1100, 60), (9.1, 0.4), (-0.7, 8.7), margin=3)
    xy = np.concatenate([xy + random.uniform(-0.5, 0.5, xy.shape), [[57.0, 511.5]]])
    picture = a_map((1100, 60), xy)
    found = find_columns(picture).xy
    shifted = find_columns(np.pad(picture, ((217, 0), (0, 0)))).xy - (0, 217)
    assert len(found) == len(shifted)
    assert distances(found, shifted).max() < 1e-4


def test_two_peaks_in_one_column_count_once():
    picture = np.zeros((40, 40), np.float32)
    picture[20, 20], picture[20, 22] = 1.0, 0.8
    found = find_columns(ndi.gaussian_filter(picture, 0.4), threshold=0.3)
    assert len(found.xy) == 1
    assert 20 < found.xy[0, 0] < 21


def test_a_plateau_counts_once():
    picture = np.zeros((40, 40), np.float32)
    picture[19:22, 10:13] = 1.0
    found = find_columns(picture)
    assert len(found.xy) == 1
    np.testing.assert_allclose(found.xy[0], (11, 20), atol=0.05)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(1, 60), width=st.integers(1, 60))
def test_whatever_the_map_points_lie_inside_it_and_apart(seed, height, width):
    picture = np.random.default_rng(seed).uniform(size=(height, width)).astype(np.float32)
    for method in ("log", "otsu"):
        found = find_columns(picture, method=method)
        assert ((found.xy >= -0.5) & (found.xy <= (width - 0.5, height - 0.5))).all()
        assert ((found.score >= 0.5) & (found.score <= 1)).all()
        if len(found.xy) > 1:
            assert cKDTree(found.xy).query(found.xy, k=2)[0][:, 1].min() >= 3


def test_published_map_of_silicon(shared_data):
    """The published network's own map of Si [110], by the published way: dumbbells as two columns."""
    file = np.load(shared_data / "atom_columns" / "published_cubic_network_silicon_110.npz")
    found = find_columns(file["probability"], method="otsu", threshold=0.3)
    assert 300 < len(found.xy) < 420
    nearest = cKDTree(found.xy).query(found.xy, k=2)[0][:, 1]
    assert 13 < np.median(nearest) < 16
