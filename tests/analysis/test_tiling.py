"""Tiled and untiled runs must agree for any operator that looks no further than the halo."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.ndimage as ndi
from hypothesis import example, given, settings
from hypothesis import strategies as st

from analysis.tiling import run_tiled, spans


def blur(radius: int):
    """A filter of the given radius with a border of zeros, as convolutions have it."""
    weights = np.random.default_rng(radius).uniform(0.1, 1, 2 * radius + 1)

    def run(batch: np.ndarray) -> np.ndarray:
        out = ndi.correlate1d(batch, weights, axis=2, mode="constant")
        return ndi.correlate1d(out, weights, axis=3, mode="constant")

    return run


def pool(multiple: int, batch: np.ndarray) -> np.ndarray:
    """Largest value of each multiple x multiple block, as a pooling layer and upsampling make it."""
    n, _, height, width = batch.shape
    assert height % multiple == 0
    assert width % multiple == 0
    blocks = batch.reshape(n, 1, height // multiple, multiple, width // multiple, multiple).max(axis=(3, 5))
    return blocks.repeat(multiple, 2).repeat(multiple, 3)


@settings(max_examples=150, deadline=None)
@given(
    height=st.integers(1, 130),
    width=st.integers(1, 130),
    tile=st.integers(1, 90),
    radius=st.integers(0, 9),
    multiple=st.sampled_from([1, 2, 3, 4, 8]),
    batch=st.integers(1, 5),
    seed=st.integers(0, 9),
)
@example(height=1, width=1, tile=1, radius=0, multiple=8, batch=1, seed=0)
@example(height=130, width=3, tile=20, radius=9, multiple=4, batch=3, seed=0)
def test_tiled_equals_untiled(height, width, tile, radius, multiple, batch, seed):
    pixels = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    filtered = blur(radius)

    def run(tiles):
        return pool(multiple, filtered(tiles))

    whole = run_tiled(run, pixels, tile=1000, halo=radius + multiple, multiple_of=multiple)
    tiled = run_tiled(run, pixels, tile=tile, halo=radius + multiple, multiple_of=multiple, batch=batch)
    assert tiled.shape == (height, width)
    np.testing.assert_array_equal(tiled, whole)


def test_a_halo_that_is_too_small_shows():
    """The property above can fail: with half the halo it does."""
    pixels = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    whole = run_tiled(blur(6), pixels, tile=1000, halo=6)
    tiled = run_tiled(blur(6), pixels, tile=32, halo=3)
    assert np.abs(tiled - whole).max() > 0.1


@given(
    length=st.integers(1, 5000),
    tile=st.integers(1, 900),
    halo=st.integers(0, 100),
    multiple=st.sampled_from([1, 4, 16]),
)
def test_cores_cover_the_axis_once(length, tile, halo, multiple):
    found = spans(length, tile=tile, halo=halo, multiple_of=multiple)
    edges = [span.core_start for span in found] + [found[-1].core_stop]
    assert edges[0] == 0
    assert edges[-1] == length
    assert all(a < b for a, b in itertools.pairwise(edges))
    assert len({span.size for span in found}) == 1
    last = -(-length // multiple) * multiple
    for span in found:
        assert span.start % multiple == 0
        assert span.size % multiple == 0
        assert span.start == 0 or span.core_start - span.start >= halo
        assert span.start + span.size == last or span.start + span.size - span.core_stop >= halo
    reach = max(tile + multiple, 2 * (halo + multiple) + multiple)
    assert found[0].size <= reach


def test_only_one_batch_is_held_at_a_time():
    seen = []

    def run(batch):
        seen.append(batch.shape)
        return batch

    pixels = np.random.default_rng(0).normal(size=(300, 200)).astype(np.float32)
    np.testing.assert_array_equal(run_tiled(run, pixels, tile=96, halo=8, multiple_of=8, batch=3), pixels)
    assert max(shape[0] for shape in seen) == 3
    assert len({shape[2:] for shape in seen}) == 1


@pytest.mark.parametrize("wrong", [{"length": 0}, {"tile": 0}, {"halo": -1}, {"multiple_of": 0}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match="must be positive"):
        spans(**{"length": 100, "tile": 32, "halo": 4, "multiple_of": 4} | wrong)
