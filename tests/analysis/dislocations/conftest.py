"""What the tests of dislocation lines share."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.dislocations.preprocess import InputSpec
from tests.analysis.dislocations.drawn_lines import DarkNetwork


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every run."""
    return np.random.default_rng(11)


@pytest.fixture
def network() -> DarkNetwork:
    """Filters in the place of a network."""
    return DarkNetwork()


@pytest.fixture
def spec() -> InputSpec:
    """What those filters expect."""
    return InputSpec(multiple_of=1)
