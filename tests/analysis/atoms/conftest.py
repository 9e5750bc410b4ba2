"""What the tests of atom columns share."""

from __future__ import annotations

import pytest

from analysis.atoms.preprocess import InputSpec
from tests.analysis.atoms.synthetic_columns import HALO, BlobNetwork


@pytest.fixture
def network() -> BlobNetwork:
    """Filters in the place of a network."""
    return BlobNetwork()


@pytest.fixture
def spec() -> InputSpec:
    """What those filters expect."""
    return InputSpec(
        best_pixel_size_nm=0.016, pixel_size_range_nm=(0.010, 0.026), multiple_of=8, halo_px=HALO, tile_px=256, batch=2
    )
